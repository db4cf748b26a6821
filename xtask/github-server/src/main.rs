//! Serves a GitHub with one repository on a port, until it is stopped: `github_server PORT OWNER/NAME`.

use std::{io::Write as _, process::ExitCode};

use github_server::{Server, World};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let port = arguments.first().map_or(Some(0), |text| text.parse().ok());
    let (Some(port), repository) = (port, arguments.get(1).map_or("acme/detections", String::as_str)) else {
        let _ = writeln!(std::io::stderr(), "usage: github_server [PORT [OWNER/NAME]]");
        return ExitCode::from(2);
    };
    match Server::start_on(World::with_repository(repository), port) {
        Ok(server) => {
            let _ = writeln!(std::io::stdout(), "{}", server.url());
            server.wait();
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(3)
        }
    }
}

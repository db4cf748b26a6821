//! Every job as a runner starts it: its environment, its files, an event's payload, and a GitHub behind HTTP.

mod change; // a pull request from the first push to the deploy
mod refused; // deploys that are not what was shown or agreed to
mod stage; // a repo, a GitHub and a runner
mod stranger; // forks, their artifacts, and what they try

//! Signed JSON over HTTPS. See [`alert::webhook`] for what is in it.

use alert::{news::News, webhook};

use crate::attempt::{Attempt, Sender, of_status};

pub(crate) async fn send(sender: &Sender<'_>, news: &News<'_>, url: Option<&str>) -> Attempt {
    match post(sender, news, url).await {
        Ok(()) => Attempt::Done,
        Err(attempt) => attempt,
    }
}

async fn post(sender: &Sender<'_>, news: &News<'_>, url: Option<&str>) -> Result<(), Attempt> {
    let url = match url {
        Some(url) => url.to_owned(),
        None => sender.secret("url").await?.expose().to_owned(),
    };
    let signing_secret = sender.secret("signing_secret").await?;
    let now = (sender.world.clock)();
    let request = webhook::request(news, sender.leased.delivery.key, signing_secret.expose(), now);
    let response = sender.world.http.post(&url, &request.headers, request.body).await?;
    if (200..300).contains(&response.status) { Ok(()) } else { Err(of_status(&response)) }
}

//! Pages of a list, and the header `Link` that names the next one.

use serde_json::Value;

use crate::request::{Answer, Request};

const DEFAULT: usize = 30;
const MOST: usize = 100;

/// The page that was asked for: its items, and the header's value where there are more.
pub(crate) fn of<T>(request: &Request, items: Vec<T>) -> (Vec<T>, Option<String>) {
    let number = |name: &str, default: usize| {
        request.query.get(name).and_then(|text| text.parse().ok()).filter(|number| *number > 0).unwrap_or(default)
    };
    let (page, size) = (number("page", 1), number("per_page", DEFAULT).min(MOST));
    let last = items.len().div_ceil(size).max(1);
    let link = (last > 1).then(|| {
        let mut links = Vec::new();
        if page < last {
            links.push((page + 1, "next"));
            links.push((last, "last"));
        }
        if page > 1 {
            links.push((1, "first"));
            links.push((page - 1, "prev"));
        }
        let links: Vec<String> =
            links.into_iter().map(|(page, rel)| format!("<{}>; rel=\"{rel}\"", address(request, page))).collect();
        links.join(", ")
    });
    (items.into_iter().skip((page - 1).saturating_mul(size)).take(size).collect(), link)
}

/// The page as an array.
pub(crate) fn answer(request: &Request, items: Vec<Value>) -> Answer {
    let (items, link) = of(request, items);
    let mut answer = Answer::json(200, Value::Array(items));
    if let Some(link) = link {
        answer.header("link", &link);
    }
    answer
}

fn address(request: &Request, page: usize) -> String {
    let (path, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
    let mut pairs: Vec<String> =
        query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("page=")).map(str::to_owned).collect();
    pairs.push(format!("page={page}"));
    format!("{}{path}?{}", request.base, pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_names_the_next_page_until_the_last() {
        let of = |url: &str| of(&Request::new("GET", url, None, b"", "http://h"), (1..=5).collect::<Vec<u32>>());
        let (items, link) = of("/l?per_page=2");
        assert_eq!(items, [1, 2]);
        assert_eq!(
            link.unwrap(),
            "<http://h/l?per_page=2&page=2>; rel=\"next\", <http://h/l?per_page=2&page=3>; rel=\"last\""
        );
        let (items, link) = of("/l?per_page=2&page=3");
        assert_eq!(items, [5]);
        assert!(!link.unwrap().contains("next"));
        assert_eq!(of("/l"), (vec![1, 2, 3, 4, 5], None));
    }
}

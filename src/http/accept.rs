//! Content negotiation: which media type of a resource the client prefers.

use crate::json::Json;

/// The offered media type with the greatest weight in an `Accept` header. The most specific range
/// that covers a type gives its weight (RFC 9110, 12.5.1). Without a preference, or if the client
/// accepts none, it is the first one: an answer in another form helps more than a 406.
pub fn preferred<'a>(header: Option<&str>, offered: &[&'a str]) -> Option<&'a str> {
    let ranges = header.map_or_else(Vec::new, ranges);
    let mut best: Option<(&str, f64)> = None;
    for media_type in offered {
        let covering = ranges.iter().filter_map(|(range, weight)| {
            let specificity = specificity(range, media_type)?;
            Some((specificity, *weight))
        });
        let weight = covering.max_by_key(|(specificity, _)| *specificity);
        let weight = weight.map_or(0.0, |(_, weight)| weight);
        if weight > best.map_or(0.0, |(_, best)| best) {
            best = Some((media_type, weight));
        }
    }
    best.map(|(media_type, _)| media_type)
        .or_else(|| offered.first().copied())
}

/// The ranges of the header in lower case, with their weights.
fn ranges(header: &str) -> Vec<(String, f64)> {
    let range = |text: &str| {
        let text = text.to_ascii_lowercase();
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_owned();
        let weight = parts.find_map(|part| part.strip_prefix("q=").map(weight));
        (name, weight.unwrap_or(1.0))
    };
    header.split(',').map(range).collect()
}

/// How closely a range names a media type; `None` when it does not cover it.
fn specificity(range: &str, media_type: &str) -> Option<u8> {
    let kind = media_type.split('/').next();
    match range.strip_suffix("/*") {
        Some("*") => Some(0),
        Some(range) => (Some(range) == kind).then_some(1),
        None => (range == media_type).then_some(2),
    }
}

/// The number after `q=`; 0 if it is not a number.
fn weight(text: &str) -> f64 {
    let number = Json::read(text.as_bytes()).ok();
    number.and_then(|number| number.as_number()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::preferred;

    #[test]
    fn the_best_liked_form_is_chosen() {
        let offered = ["application/json", "text/csv"];
        for (header, chosen) in [
            (None, "application/json"),
            (Some("text/csv"), "text/csv"),
            (Some("TEXT/CSV; charset=utf-8"), "text/csv"),
            (Some("application/json, text/csv"), "application/json"),
            (Some("application/json;q=0.5, text/csv;q=0.9"), "text/csv"),
            (Some("text/*"), "text/csv"),
            (Some("text/html,*/*;q=0.1"), "application/json"),
            (Some("text/csv;q=0"), "application/json"),
            (Some("application/json;q=0, */*"), "text/csv"),
            (Some("application/json;Q=0.1, */*;q=0.9"), "text/csv"),
            (Some("text/csv, application/json"), "application/json"),
            (Some("image/png"), "application/json"),
            (Some(""), "application/json"),
        ] {
            assert_eq!(preferred(header, &offered), Some(chosen), "{header:?}");
        }
    }
}

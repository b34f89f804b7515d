//! Which of a resource's forms the client prefers.

/// The one of the media types that an `Accept` header likes best, the first one where it has no
/// preference or likes none of them.
pub fn preferred<'a>(header: Option<&str>, offered: &[&'a str]) -> Option<&'a str> {
    let first = offered.first().copied();
    let Some(header) = header else {
        return first;
    };
    let mut best: Option<(&str, f64)> = None;
    for range in header.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(1.0, |weight| serde_json::from_str(weight).unwrap_or(0.0));
        let matching = offered.iter().copied().find(|media_type| {
            name.eq_ignore_ascii_case(media_type)
                || name == "*/*"
                || name
                    .strip_suffix("/*")
                    .is_some_and(|kind| media_type.split('/').next() == Some(kind))
        });
        if let Some(media_type) = matching
            && weight > best.map_or(0.0, |(_, weight)| weight)
        {
            best = Some((media_type, weight));
        }
    }
    best.map(|(media_type, _)| media_type).or(first)
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
            (Some("image/png"), "application/json"),
            (Some(""), "application/json"),
        ] {
            assert_eq!(preferred(header, &offered), Some(chosen), "{header:?}");
        }
    }
}

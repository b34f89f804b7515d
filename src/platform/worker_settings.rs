//! Variables, secrets and rate limits of the worker's environment.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::config::{RateLimit, Setting, Settings};
use super::effects::{Effects, Outcome};

/// What the environment holds under a name, as `settings` in `src/entry.js` gives it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Given {
    Text(String),
    Number(f64),
    /// `["limit"]` for a rate limit, `["bucket"]` for one of R2, and the type of anything else.
    Kind([String; 1]),
    Other(IgnoredAny),
}

/// The worker's environment.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// `None` when the text could not be read: then nothing counts as unset.
    given: Option<BTreeMap<String, Given>>,
    effects: Effects,
}

impl WorkerSettings {
    /// Reads the JSON object that `settings` in `src/entry.js` makes of the environment.
    #[must_use]
    pub fn new(json: &str, effects: Effects) -> Self {
        Self {
            given: serde_json::from_str(json).ok(),
            effects,
        }
    }

    /// Whether a bucket is bound under this name.
    #[must_use]
    pub fn has_bucket(&self, name: &str) -> bool {
        let given = self.given.as_ref().and_then(|given| given.get(name));
        matches!(given, Some(Given::Kind([kind])) if kind == "bucket")
    }
}

impl Settings for WorkerSettings {
    fn get(&self, name: &str) -> Setting {
        match self.given.as_ref().map(|given| given.get(name)) {
            Some(None) => Setting::Unset,
            Some(Some(Given::Text(text))) => Setting::Text(text.clone()),
            Some(Some(Given::Number(number))) => Setting::from_number(*number),
            Some(Some(Given::Kind(_) | Given::Other(_))) | None => Setting::Unreadable,
        }
    }

    fn rate_limit(&self, name: &str) -> RateLimit {
        match self.given.as_ref().map(|given| given.get(name)) {
            Some(None) => RateLimit::Unbound,
            Some(Some(Given::Kind([kind]))) if kind == "limit" => RateLimit::Bound,
            Some(Some(_)) | None => RateLimit::Other,
        }
    }

    fn is_no_bucket(&self, name: &str) -> bool {
        let bound = self
            .given
            .as_ref()
            .is_some_and(|given| given.contains_key(name));
        bound && !self.has_bucket(name)
    }

    async fn admits(&self, limit: &'static str, key: &str) -> bool {
        // A limiter that fails admits: a lost turn is worse than one too many.
        self.effects.ask("limit", &(limit, key)).await != Outcome::Text("no".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{RateLimit, Setting, Settings, WorkerSettings};
    use crate::platform::config::faults;
    use crate::platform::effects::Effects;

    fn given(json: &str) -> WorkerSettings {
        WorkerSettings::new(json, Effects::default())
    }

    #[test]
    fn texts_and_numbers_are_read_and_nothing_else_counts_as_unset() {
        let settings = given(
            r#"{"TEXT":"t","EMPTY":"","NUMBER":30,"TRUE":true,"OBJECT":{},"LIST":["x"],"NULL":null}"#,
        );
        assert_eq!(settings.get("TEXT"), Setting::Text("t".to_owned()));
        assert_eq!(settings.get("EMPTY"), Setting::Text(String::new()));
        assert_eq!(settings.get("NUMBER"), Setting::Text("30".to_owned()));
        assert_eq!(settings.get("ABSENT"), Setting::Unset);
        for name in ["TRUE", "OBJECT", "LIST", "NULL"] {
            assert_eq!(settings.get(name), Setting::Unreadable, "{name}");
            assert_eq!(settings.rate_limit(name), RateLimit::Other, "{name}");
        }
    }

    #[test]
    fn a_rate_limit_is_bound_or_not() {
        let settings = given(r#"{"BY_CALL":["limit"],"BY_ADDRESS":"60"}"#);
        assert_eq!(settings.rate_limit("BY_CALL"), RateLimit::Bound);
        assert_eq!(settings.get("BY_CALL"), Setting::Unreadable);
        assert_eq!(settings.rate_limit("BY_ADDRESS"), RateLimit::Other);
        assert_eq!(settings.rate_limit("ABSENT"), RateLimit::Unbound);
    }

    #[test]
    fn a_bucket_is_bound_or_not() {
        let settings = given(r#"{"EVENTS":["bucket"],"OTHER":["object"],"TEXT":"bucket"}"#);
        assert!(settings.has_bucket("EVENTS"));
        for name in ["OTHER", "TEXT", "ABSENT"] {
            assert!(!settings.has_bucket(name), "{name}");
        }
        for (json, named) in [
            (r#"{"EVENTS":["bucket"]}"#, false),
            ("{}", false),
            (r#"{"EVENTS":"call-ledger-events"}"#, true),
            (r#"{"EVENTS":["object"]}"#, true),
        ] {
            let faults = faults(&given(json));
            assert_eq!(faults.contains_key("EVENTS"), named, "{json}");
        }
    }

    #[test]
    fn settings_that_cannot_be_read_leave_no_route_open() {
        for json in ["", "[]", "{"] {
            assert_eq!(given(json).get("WEBHOOK_TOKEN"), Setting::Unreadable);
            assert_eq!(given(json).rate_limit("BY_CALL"), RateLimit::Other);
        }
    }
}

//! The worker's variables, secrets and rate limits.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::config::{RateLimit, Setting, Settings};
use super::effects::{Effects, Outcome};

/// The environment's value of a name, as `settings` in `src/entry.js` gives it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Given {
    Text(String),
    Number(f64),
    /// `["limit"]` for a rate limit, `["bucket"]` for a bucket, else `["…"]` with the type.
    Kind([String; 1]),
    Other(IgnoredAny),
}

/// The environment's values, by name. `None` if they are not known.
#[derive(Debug, Default)]
pub struct Environment(Option<BTreeMap<String, Given>>);

impl Environment {
    /// Reads the JSON object that `settings` in `src/entry.js` makes of the environment. If it cannot
    /// be read, every setting is unreadable, so that no route is open by mistake.
    #[must_use]
    pub fn new(json: &str) -> Self {
        Self(serde_json::from_str(json).ok())
    }

    fn get(&self, name: &str) -> Option<Option<&Given>> {
        self.0.as_ref().map(|given| given.get(name))
    }
}

/// The worker's environment, for one task.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    environment: Rc<Environment>,
    effects: Effects,
}

impl WorkerSettings {
    /// The environment, for the task of these effects.
    #[must_use]
    pub const fn new(environment: Rc<Environment>, effects: Effects) -> Self {
        Self {
            environment,
            effects,
        }
    }

    /// Whether a bucket is bound under this name.
    #[must_use]
    pub fn has_bucket(&self, name: &str) -> bool {
        matches!(self.environment.get(name), Some(Some(Given::Kind([kind]))) if kind == "bucket")
    }
}

impl Settings for WorkerSettings {
    fn get(&self, name: &str) -> Setting {
        match self.environment.get(name) {
            Some(None) => Setting::Unset,
            Some(Some(Given::Text(text))) => Setting::Text(text.clone()),
            Some(Some(Given::Number(number))) => Setting::from_number(*number),
            Some(Some(Given::Kind(_) | Given::Other(_))) | None => Setting::Unreadable,
        }
    }

    fn rate_limit(&self, name: &str) -> RateLimit {
        match self.environment.get(name) {
            Some(None) => RateLimit::Unbound,
            Some(Some(Given::Kind([kind]))) if kind == "limit" => RateLimit::Bound,
            Some(Some(_)) | None => RateLimit::Other,
        }
    }

    fn is_no_bucket(&self, name: &str) -> bool {
        let bound = matches!(self.environment.get(name), Some(Some(_)));
        bound && !self.has_bucket(name)
    }

    async fn admits(&self, limit: &'static str, key: &str) -> bool {
        // If the limiter fails, admit: a lost turn is worse than one request too many.
        self.effects.ask("limit", &(limit, key)).await != Outcome::Text("no".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::{Environment, RateLimit, Setting, Settings, WorkerSettings};
    use crate::platform::config::faults;
    use crate::platform::effects::Effects;

    fn given(json: &str) -> WorkerSettings {
        WorkerSettings::new(Rc::new(Environment::new(json)), Effects::default())
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
    fn an_unknown_environment_leaves_no_route_open() {
        let untold = Rc::new(Environment::default());
        let settings = WorkerSettings::new(untold, Effects::default());
        assert_eq!(settings.get("WEBHOOK_TOKEN"), Setting::Unreadable);
    }

    #[test]
    fn settings_that_cannot_be_read_leave_no_route_open() {
        for json in ["", "[]", "{"] {
            assert_eq!(given(json).get("WEBHOOK_TOKEN"), Setting::Unreadable);
            assert_eq!(given(json).rate_limit("BY_CALL"), RateLimit::Other);
        }
    }
}

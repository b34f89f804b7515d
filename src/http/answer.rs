//! A response, before it is converted for the Workers runtime.

use serde::Serialize;

/// What the log line says the request was about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    pub call_sid: Option<String>,
    pub conversation_id: Option<String>,
    pub driver_id: Option<i64>,
    /// The stable code of the problem, or of the result.
    pub code: Option<&'static str>,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    pub about: About,
}

impl Answer {
    /// A response with a body of this media type. Caches must not store it.
    #[must_use]
    pub fn new(status: u16, media_type: &str, body: String) -> Self {
        Self {
            status,
            headers: vec![
                ("content-type", media_type.to_owned()),
                ("cache-control", "no-store".to_owned()),
            ],
            body,
            about: About::default(),
        }
    }

    /// A response with a JSON body.
    #[must_use]
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        // Serialising cannot fail: the bodies are plain structs of texts and numbers.
        let body = serde_json::to_string(body).unwrap_or_default();
        Self::new(status, "application/json", body)
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets what the log line says the request was about.
    #[must_use]
    pub fn about(mut self, about: About) -> Self {
        self.about = about;
        self
    }
}

//! A response, before it takes the runtime's form.

use serde::Serialize;

/// What the log line says the request was about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The call.
    pub call_sid: Option<String>,
    /// The conversation.
    pub conversation_id: Option<String>,
    /// The driver.
    pub driver_id: Option<i64>,
    /// The stable code of what went wrong, or of what became of the request.
    pub code: Option<&'static str>,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
    /// For the log line.
    pub about: About,
}

impl Answer {
    /// A body of a media type.
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

    /// A JSON body.
    #[must_use]
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        // The bodies are plain structs of texts and numbers, which always serialise.
        let body = serde_json::to_string(body).unwrap_or_default();
        Self::new(status, "application/json", body)
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Says what the request was about.
    #[must_use]
    pub fn about(mut self, about: About) -> Self {
        self.about = about;
        self
    }
}

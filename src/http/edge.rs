//! The Workers runtime's requests and responses, as texts. `src/entry.js` writes the text of a
//! request and reads the text of a response.

use super::{Answer, BodyError, Incoming};
use crate::ledger::place_calls::Caller;
use crate::platform::effects::{Effects, Outcome};

/// A request of the Workers runtime.
#[derive(Debug)]
pub struct EdgeRequest {
    method: String,
    /// The URL after scheme and host, without the fragment.
    path_and_query: String,
    /// Names in lower case; each name once.
    headers: Vec<(String, String)>,
    /// True if the runtime reports that the sender hung up.
    tells_hang_up: bool,
    effects: Effects,
}

impl EdgeRequest {
    /// Reads the text that `head` in `src/entry.js` writes: the method, the URL and each header as
    /// `name: value`, one line each. The body is read later, when a route asks for it.
    ///
    /// `tells_hang_up` is true if the runtime reports that the sender hung up.
    #[must_use]
    pub fn new(head: &str, tells_hang_up: bool, effects: Effects) -> Self {
        let mut lines = head.split('\n');
        let method = lines.next().unwrap_or_default().to_owned();
        // Split by hand. A URL parser would be a tenth of the bundle, and the runtime has already
        // normalised this URL.
        let url = lines.next().unwrap_or_default();
        let url = url.split('#').next().unwrap_or_default();
        let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
        let path_and_query = after_scheme
            .find('/')
            .and_then(|at| after_scheme.get(at..))
            .unwrap_or("/");
        let headers = lines.filter_map(|line| line.split_once(": "));
        Self {
            method,
            path_and_query: path_and_query.to_owned(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            tells_hang_up,
            effects,
        }
    }
}

impl Incoming for EdgeRequest {
    fn method(&self) -> String {
        self.method.clone()
    }

    fn path(&self) -> String {
        let path = self.path_and_query.split('?').next();
        path.unwrap_or_default().to_owned()
    }

    fn query(&self) -> String {
        let query = self.path_and_query.split_once('?');
        query.map_or_else(String::new, |(_, query)| query.to_owned())
    }

    fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.clone())
    }

    fn caller(&self) -> Caller {
        if self.effects.has_hung_up() {
            Caller::Gone
        } else if self.tells_hang_up {
            Caller::Connected
        } else {
            Caller::Unknown
        }
    }

    async fn body(&mut self, limit: usize) -> Result<Vec<u8>, BodyError> {
        let announced = self
            .header("content-length")
            .and_then(|length| length.parse::<usize>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(BodyError::TooLarge);
        }
        // With Transfer-Encoding the receiver ignores Content-Length (RFC 9112, 6.3), so a chunked
        // body may be longer than announced.
        let chunked = self.header("transfer-encoding").is_some();
        // Safe to read in one piece: the runtime takes no more bytes than announced. HTTP/1.1 ends
        // the body there, and HTTP/2 resets the stream.
        if announced.is_some_and(|length| length <= AT_ONCE) && !chunked {
            return Ok(self.bytes("body").await?.unwrap_or_default());
        }
        let mut body = Vec::new();
        while let Some(chunk) = self.bytes("chunk").await? {
            let needed = body.len() + chunk.len();
            if needed > limit {
                return Err(BodyError::TooLarge);
            }
            if needed > body.capacity() {
                // Double the capacity, but never beyond the limit: `Vec` alone would take up to
                // twice the limit.
                let capacity = needed.max((2 * body.capacity()).min(limit));
                body.reserve_exact(capacity - body.len());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Maximum announced length of a body that is read in one piece, in bytes. That is faster than a
/// stream, but the runtime holds a second copy of the body.
const AT_ONCE: usize = 256 * 1024;

impl EdgeRequest {
    /// The next bytes of the body; `None` at its end.
    async fn bytes(&self, kind: &'static str) -> Result<Option<Vec<u8>>, BodyError> {
        match self.effects.ask(kind, &()).await {
            Outcome::Bytes(bytes) => Ok(Some(bytes)),
            Outcome::Text(_) => Ok(None),
            Outcome::Failed(message) => Err(BodyError::Broken(message)),
        }
    }
}

impl Answer {
    /// The text that `response` in `src/entry.js` reads: the status, each header as `name: value`,
    /// an empty line, the body.
    #[must_use]
    pub fn into_text(self) -> String {
        let mut text = String::with_capacity(self.body.len() + 300);
        text.push_str(&self.status.to_string());
        for (name, value) in &self.headers {
            text.push('\n');
            text.push_str(name);
            text.push_str(": ");
            // A line end in a value would begin another header (header injection).
            text.extend(value.chars().filter(|one| !matches!(one, '\n' | '\r')));
        }
        text.push_str("\n\n");
        text.push_str(&self.body);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Caller, EdgeRequest, Incoming};
    use crate::platform::effects::Effects;

    fn request(head: &str) -> EdgeRequest {
        EdgeRequest::new(head, true, Effects::default())
    }

    #[test]
    fn the_head_is_read_line_by_line() {
        let request = request(
            "POST\nhttps://calls.example/calls/EL_1?limit=2&x=a?b#end\naccept: a: b\ncf-ray: 7",
        );
        assert_eq!(request.method(), "POST");
        assert_eq!(request.path(), "/calls/EL_1");
        assert_eq!(request.query(), "limit=2&x=a?b");
        assert_eq!(request.header("accept").as_deref(), Some("a: b"));
        assert_eq!(request.header("cf-ray").as_deref(), Some("7"));
        assert_eq!(request.header("authorization"), None);
    }

    #[test]
    fn the_caller_is_known_to_be_there_only_where_the_runtime_tells() {
        let effects = Effects::default();
        let told = EdgeRequest::new("POST\n/", true, effects.clone());
        let untold = EdgeRequest::new("POST\n/", false, effects.clone());
        assert_eq!(told.caller(), Caller::Connected);
        assert_eq!(untold.caller(), Caller::Unknown);
        effects.note_hang_up(true);
        assert_eq!(told.caller(), Caller::Gone);
        assert_eq!(untold.caller(), Caller::Gone);
    }

    #[test]
    fn an_address_without_a_path_is_the_root() {
        for url in ["https://calls.example", "https://calls.example/", ""] {
            assert_eq!(request(&format!("GET\n{url}")).path(), "/", "{url}");
        }
    }

    #[test]
    fn an_answer_is_status_headers_and_body_and_no_value_adds_a_header() {
        let mut answer = Answer::new(200, "text/plain", "a\n\nb".to_owned());
        answer.headers = vec![("x-one", "1\r\nx-two: 2".to_owned())];
        assert_eq!(answer.into_text(), "200\nx-one: 1x-two: 2\n\na\n\nb");
    }
}

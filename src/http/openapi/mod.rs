//! Generates the OpenAPI document from the code that serves: the router's routes, the functions
//! that read requests, the types of answers, and the responses of problems.
//!
//! `tests/host/platform/openapi.rs` writes the document to `openapi.json` and fails if the file is out of
//! date. The worker serves the file; the linker leaves this module out of it.

mod describe;
mod operations;
mod problems;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::router::Route;
use operations::{Content, Operation, operation};
pub use problems::every_problem;

/// The document that `GET /openapi.json` serves.
#[must_use]
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| {
            "/components/schemas".clone_into(settings.definitions_path.to_mut());
        });
    let mut writer = Writer {
        schemas: settings.into_generator(),
        responses: Map::new(),
    };
    let paths: Map<String, Value> = Route::ALL
        .into_iter()
        .map(|route| (route.pattern().to_owned(), writer.path(route)))
        .collect();
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Call Ledger",
            "version": env!("CARGO_PKG_VERSION"),
            "description": env!("CARGO_PKG_DESCRIPTION"),
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/", "description": "The host that serves this document." }],
        "tags": [
            { "name": "Calls", "description": "Place calls and read their results." },
            { "name": "Webhooks", "description": "Receive what ElevenLabs and its agents report." },
            { "name": "Service", "description": "The service itself." },
        ],
        "paths": paths,
        "components": {
            "schemas": writer.schemas.take_definitions(true),
            "responses": writer.responses,
            "parameters": { "CallSid": operations::call_sid() },
            "headers": headers(),
            "securitySchemes": operations::security_schemes(),
        },
    })
}

fn headers() -> Value {
    json!({
        "RequestId": {
            "description": "The id of the request. The log lines of the request have the same id.",
            "required": true,
            "schema": { "type": "string", "minLength": 1 },
        },
        "ServerTiming": {
            "description": "How long the database and the whole request took, in milliseconds.",
            "required": true,
            "schema": { "type": "string", "examples": ["db;dur=12, total;dur=15"] },
        },
    })
}

/// The headers of every answer.
fn common_headers() -> Map<String, Value> {
    let mut headers = Map::new();
    for (name, component) in [
        ("X-Request-Id", "RequestId"),
        ("Server-Timing", "ServerTiming"),
    ] {
        let reference = format!("#/components/headers/{component}");
        headers.insert(name.to_owned(), json!({ "$ref": reference }));
    }
    headers
}

/// Writes the operations and collects the components that they refer to.
struct Writer {
    schemas: SchemaGenerator,
    responses: Map<String, Value>,
}

impl Writer {
    fn path(&mut self, route: Route) -> Value {
        let operation = operation(route, &mut self.schemas);
        let mut path = Map::new();
        for method in route.allowed().split(", ") {
            let described = if method == "HEAD" {
                self.head(&operation)
            } else {
                self.operation(route, &operation)
            };
            path.insert(method.to_ascii_lowercase(), described);
        }
        Value::Object(path)
    }

    fn operation(&mut self, route: Route, operation: &Operation) -> Value {
        let mut responses = Map::new();
        for (status, description, contents) in &operation.answers {
            responses.insert(status.to_string(), answer(description, contents));
        }
        for (status, response) in problems::responses(route, &operation.problems) {
            let reference = self.response(operation.id, response);
            responses.insert(status.to_string(), reference);
        }
        let mut described = outline(
            operation,
            operation.id.to_owned(),
            operation.summary.to_owned(),
        );
        if let Some(body) = &operation.body {
            described.insert("requestBody".to_owned(), body.clone());
        }
        described.insert("responses".to_owned(), Value::Object(responses));
        Value::Object(described)
    }

    /// The HEAD operation of a GET operation.
    fn head(&mut self, operation: &Operation) -> Value {
        let mut responses = Map::new();
        let statuses = operation.problems.iter().map(|problem| problem.status().0);
        let classes: Vec<u16> = statuses.chain([405]).map(|status| status / 100).collect();
        for (status, class) in [("200", 2), ("4XX", 4), ("5XX", 5)] {
            if class == 2 || classes.contains(&class) {
                let (name, description) = if class == 2 {
                    ("Head", "As GET answers, without the body.")
                } else {
                    (
                        "HeadProblem",
                        "As GET answers, without the body, and so without the code.",
                    )
                };
                let response = json!({ "description": description, "headers": common_headers() });
                self.responses.insert(name.to_owned(), response);
                let reference = format!("#/components/responses/{name}");
                responses.insert(status.to_owned(), json!({ "$ref": reference }));
            }
        }
        let summary = format!("{}, without the body", operation.summary);
        let mut described = outline(operation, format!("{}Head", operation.id), summary);
        described.insert("responses".to_owned(), Value::Object(responses));
        Value::Object(described)
    }

    /// Adds the response to the components, under the names of its codes, and returns a reference.
    /// If another operation has a different response under that name, it adds the operation's id.
    fn response(&mut self, operation: &str, (name, response): (String, Value)) -> Value {
        let known = self
            .responses
            .entry(&name)
            .or_insert_with(|| response.clone());
        let name = if *known == response {
            name
        } else {
            let name = format!("{name}-{operation}");
            self.responses.insert(name.clone(), response);
            name
        };
        json!({ "$ref": format!("#/components/responses/{name}") })
    }
}

fn outline(operation: &Operation, id: String, summary: String) -> Map<String, Value> {
    let mut described = Map::new();
    described.insert("operationId".to_owned(), id.into());
    described.insert("summary".to_owned(), summary.into());
    described.insert("description".to_owned(), operation.description.into());
    described.insert("tags".to_owned(), json!([operation.tag]));
    described.insert("security".to_owned(), operation.security.clone());
    if !operation.parameters.is_empty() {
        let parameters = operation.parameters.clone();
        described.insert("parameters".to_owned(), Value::Array(parameters));
    }
    described
}

fn answer(description: &str, contents: &[Content]) -> Value {
    let mut headers = common_headers();
    let mut content = Map::new();
    for Content { media_type, schema } in contents {
        if *media_type == "text/csv" {
            let next = json!({
                "description": "The cursor for the next page; absent on the last page.",
                "schema": { "type": "string" },
            });
            headers.insert("X-Next-Cursor".to_owned(), next);
        }
        content.insert((*media_type).to_owned(), json!({ "schema": schema }));
    }
    json!({ "description": description, "headers": headers, "content": content })
}

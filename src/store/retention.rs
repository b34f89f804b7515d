//! Clearing texts that are older than they may be kept. Rows, numbers and outcomes stay.

use super::{Database, DatabaseError, FromRow, Row, Statement, Store};
use crate::model::UtcTime;
use crate::platform::Runtime;

/// How many rows of a table are looked at in one go.
pub const PAGE: u64 = 500;

/// A table with texts: its name, the column that tells a row's age, when a row may still get a
/// text, and what clearing sets.
struct Table {
    name: &'static str,
    created: &'static str,
    pending: &'static str,
    cleared: &'static str,
    /// Which calls' words are cleared with rows `?1` to `?2` that are older than `?3`.
    also: Option<&'static str>,
}

/// Clears the words of a call. A reason that is one word in small letters is a code (`busy`,
/// `outcome_unknown`) and stays; of a refusal its code stays.
const WORDS_OF_A_CALL: &str = "summary = NULL, failure_reason = CASE \
    WHEN failure_reason GLOB 'elevenlabs_rejected:*' THEN 'elevenlabs_rejected' \
    WHEN failure_reason GLOB '*[^a-z_-]*' THEN NULL ELSE failure_reason END";

/// An empty message is one that was cleared: no turn is stored without text.
const TABLES: [Table; 3] = [
    Table {
        name: "call_transcriptions",
        created: "created_at",
        pending: "0",
        cleared: "message_text = '', original_text = NULL",
        also: None,
    },
    Table {
        name: "calls",
        // Not the last change: a turn is one, and so who may post turns could stop the clearing of
        // all later calls.
        created: "created_at",
        pending: "status = 'in_progress' OR failure_reason = 'outcome_unknown'",
        cleared: WORDS_OF_A_CALL,
        also: None,
    },
    Table {
        name: "elevenlabs_events",
        created: "received_at",
        pending: "0",
        cleared: "payload = NULL",
        // An event may have brought words after its call's row was passed.
        also: Some(
            "conversation_id IN \
               (SELECT conversation_id FROM elevenlabs_events WHERE id > ?1 AND id <= ?2 \
                  AND datetime(received_at) < datetime(?3))",
        ),
    },
];

struct Due {
    from_id: i64,
    to_id: Option<i64>,
}

impl FromRow for Due {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            from_id: row.integer("from_id")?,
            to_id: row.optional_integer("to_id")?,
        })
    }
}

impl<D: Database, R: Runtime> Store<D, R> {
    /// Clears the texts of rows made before a time, at most [`PAGE`] of each table, from
    /// where the last one stopped; says how many rows it passed. One round trip when nothing is
    /// due, two otherwise.
    ///
    /// Ids grow with time, so it goes by id and stops at the first row that is too young.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries. Clearing twice changes nothing.
    pub async fn clear_texts(&self, before: UtcTime) -> Result<u64, DatabaseError> {
        let selects: Vec<_> = TABLES.iter().map(|table| due(table, before)).collect();
        let results = self.run("clear_texts", &selects).await?;
        let mut updates = Vec::new();
        let mut passed = 0;
        for (table, result) in TABLES.iter().zip(&results) {
            let due: Option<Due> = result.rows()?.pop();
            if let Some(Due {
                from_id,
                to_id: Some(to_id),
            }) = due
                && to_id > from_id
            {
                passed += to_id.abs_diff(from_id);
                updates.extend(clear(table, before, from_id, to_id));
            }
        }
        if !updates.is_empty() {
            self.run("clear_texts", &updates).await?;
        }
        Ok(passed)
    }
}

/// Asks which ids are due: after the cleared ones, up to the first row that is too young.
fn due(table: &Table, before: UtcTime) -> Statement {
    let Table {
        name,
        created,
        pending,
        ..
    } = table;
    Statement::new(format!(
        "WITH progress AS (SELECT COALESCE((SELECT cleared_to_id FROM retention_progress \
                                            WHERE table_name = '{name}'), 0) AS id), \
              page AS (SELECT id, datetime({created}) AS created, {pending} AS pending FROM {name} \
                       WHERE id > (SELECT id FROM progress) ORDER BY id LIMIT {PAGE}) \
         SELECT (SELECT id FROM progress) AS from_id, \
           COALESCE((SELECT MIN(id) - 1 FROM page WHERE pending OR created >= datetime(?1)), \
                    (SELECT MAX(id) FROM page)) AS to_id"
    ))
    .bind(before)
}

fn clear(table: &Table, before: UtcTime, from_id: i64, to_id: i64) -> Vec<Statement> {
    let Table {
        name,
        created,
        cleared,
        ..
    } = table;
    let rows = |sql: String| Statement::new(sql).bind(from_id).bind(to_id).bind(before);
    let mut statements = vec![rows(format!(
        "UPDATE {name} SET {cleared} WHERE id > ?1 AND id <= ?2 \
           AND datetime({created}) < datetime(?3)"
    ))];
    let calls = |which| rows(format!("UPDATE calls SET {WORDS_OF_A_CALL} WHERE {which}"));
    statements.extend(table.also.map(calls));
    statements.push(
        Statement::new(
            "INSERT INTO retention_progress (table_name, cleared_to_id) VALUES (?1, ?2) \
             ON CONFLICT (table_name) DO UPDATE SET cleared_to_id = MAX(cleared_to_id, ?2)",
        )
        .bind(*name)
        .bind(to_id),
    );
    statements
}

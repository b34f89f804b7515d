//! Clearing texts after the retention time. Rows, numbers and outcomes stay.

use super::payloads::Objects;
use super::{Database, DatabaseError, FromRow, Row, Statement, Store};
use crate::model::UtcTime;
use crate::platform::Runtime;
use crate::platform::never::never;

const EVENTS: &str = "elevenlabs_events";

/// Maximum rows of a table that one run looks at.
const PAGE: u64 = 500;
/// Maximum new calls whose turns one run looks at. It looks at as many calls again that it has passed
/// before and that got texts since.
const CALLS: u64 = 50;
/// Maximum turns that one run clears.
const TURNS: usize = 2_000;

/// What one run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cleared {
    /// Number of rows that were cleared, or looked at and passed.
    pub rows: u64,
    /// Whether the next run may find more.
    pub more: bool,
}

/// A table whose texts are cleared row by row.
struct Table {
    name: &'static str,
    /// The column with a row's age.
    created: &'static str,
    /// The condition that a row may still get a text. Clearing stops there.
    pending: &'static str,
    /// The `SET` clause that clears a row.
    cleared: &'static str,
    /// The calls whose words are cleared too, with the rows after `?1` up to `?2` that are older than
    /// `?3`.
    also: Option<&'static str>,
}

/// Clears the words of a call. A failure reason of one lower-case word is a code (`busy`,
/// `outcome_unknown`) and stays. Of a refusal, the code stays.
const WORDS_OF_A_CALL: &str = "summary = NULL, failure_reason = CASE \
    WHEN failure_reason GLOB 'elevenlabs_rejected:*' THEN 'elevenlabs_rejected' \
    WHEN failure_reason GLOB '*[^a-z_-]*' THEN NULL ELSE failure_reason END";

const TABLES: [Table; 2] = [
    Table {
        name: "calls",
        // Not `updated_at`: posted turns change it, so their sender could stop the clearing of all
        // later calls.
        created: "created_at",
        pending: "status = 'in_progress' OR failure_reason = 'outcome_unknown'",
        cleared: WORDS_OF_A_CALL,
        also: None,
    },
    Table {
        name: EVENTS,
        created: "received_at",
        pending: "0",
        cleared: "payload = NULL",
        // An event may have brought words into its call after the call's row was passed.
        also: Some(
            "conversation_id IN \
               (SELECT conversation_id FROM elevenlabs_events WHERE id > ?1 AND id <= ?2 \
                  AND datetime(received_at) < datetime(?3))",
        ),
    },
];

/// Selects the calls whose turns are due: after the last call that was passed (`from_id`), up to the
/// call before the first one that is too young (`to_id`). `marked` is 1 if calls that were passed
/// before have texts that are due now.
///
/// Turns have no index by age: it would cost a second written row for each turn. A turn is stored
/// after its call, so a call can be passed while a younger turn keeps its text. Such a call is marked
/// (`calls.turns_due_at`).
pub const DUE_TURNS: &str = "WITH progress AS (SELECT COALESCE((SELECT cleared_to_id FROM retention_progress \
                                            WHERE table_name = 'turns_of_calls'), 0) AS id), \
         page AS (SELECT id, datetime(created_at) AS created FROM calls \
                  WHERE id > (SELECT id FROM progress) ORDER BY id LIMIT ?2) \
     SELECT (SELECT id FROM progress) AS from_id, \
       COALESCE((SELECT MIN(id) - 1 FROM page WHERE created >= datetime(?1)), \
                (SELECT MAX(id) FROM page)) AS to_id, \
       EXISTS (SELECT 1 FROM calls WHERE turns_due_at < ?1) AS marked";

/// Clears turns that are older than `?3`: those of the calls after `?1` up to `?2`, and those of the
/// calls whose mark is due for the longest time. An empty message is a cleared one, because no turn is
/// stored without text.
pub const CLEAR_TURNS: &str = "UPDATE call_transcriptions SET message_text = '', original_text = NULL \
     WHERE (conversation_id, sequence_number) IN \
       (SELECT t.conversation_id, t.sequence_number FROM call_transcriptions t \
        WHERE t.conversation_id IN \
            (SELECT conversation_id FROM calls WHERE (id > ?1 AND id <= ?2) OR id IN \
               (SELECT id FROM calls WHERE turns_due_at < ?3 ORDER BY turns_due_at LIMIT ?4)) \
          AND (t.message_text <> '' OR t.original_text IS NOT NULL) \
          AND datetime(t.created_at) < datetime(?3) LIMIT ?5) \
     RETURNING 1";

/// Marks those of the same calls that still have a text, with the time at which the oldest one was
/// stored. Removes the mark of the others.
pub const MARK_CALLS: &str = "UPDATE calls SET turns_due_at = j.due \
     FROM (SELECT c.id, (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', MIN(datetime(t.created_at))) \
                         FROM call_transcriptions t WHERE t.conversation_id = c.conversation_id \
                           AND (t.message_text <> '' OR t.original_text IS NOT NULL)) AS due \
           FROM calls c WHERE (c.id > ?1 AND c.id <= ?2) OR c.id IN \
             (SELECT id FROM calls WHERE turns_due_at < ?3 ORDER BY turns_due_at LIMIT ?4)) j \
     WHERE calls.id = j.id AND calls.turns_due_at IS NOT j.due";

/// The rows that are due: after `from_id`, up to `to_id`.
struct Due {
    from_id: i64,
    to_id: i64,
    marked: bool,
}

impl Due {
    fn rows(&self) -> u64 {
        u64::try_from(self.to_id.saturating_sub(self.from_id)).unwrap_or(0)
    }
}

impl FromRow for Due {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DatabaseError> {
        let from_id = row.integer("from_id")?;
        Ok(Self {
            from_id,
            to_id: row.optional_integer("to_id")?.unwrap_or(from_id),
            marked: row.optional_integer("marked")? == Some(1),
        })
    }
}

impl<D: Database, R: Runtime> Store<D, R> {
    /// Clears texts from before this time: a page of each table, from where the last run stopped.
    /// Idempotent. One round trip when nothing is due, three when events are due, else two; at most
    /// eleven statements.
    ///
    /// Ids grow with time, so a run goes by id and stops at the first row that is too young.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries.
    pub async fn clear_texts(&self, before: UtcTime) -> Result<Cleared, DatabaseError> {
        let turns = Statement::new(DUE_TURNS).bind(before).bind(number(CALLS));
        let mut selects = vec![turns];
        selects.extend(TABLES.iter().map(|table| due(table, before)));
        let results = self.run("clear_texts", &selects).await?;
        let mut dues = Vec::new();
        for result in &results {
            dues.extend(result.rows::<Due>()?.pop());
        }
        never!(
            &self.runtime,
            dues.iter().any(|due| due.to_id < due.from_id),
            "clearing texts goes backwards"
        );
        let [turns, tables @ ..] = dues.as_slice() else {
            return Err(DatabaseError::new("the database answered without a row"));
        };
        let mut updates = Vec::new();
        let mut progress = Vec::new();
        let mut done = Cleared {
            rows: 0,
            more: turns.rows() >= CALLS,
        };
        let turns_are_due = turns.rows() > 0 || turns.marked;
        if turns_are_due {
            updates.extend(clear_turns(turns, before));
            progress.push(("turns_of_calls", turns.to_id));
        }
        for (table, due) in TABLES.iter().zip(tables) {
            if due.rows() > 0 {
                let mut cleared = table.cleared.to_owned();
                if table.name == EVENTS {
                    match self.clear_objects(due.from_id, due.to_id, before).await? {
                        Objects::Deleted => cleared += ", payload_in_bucket = 0",
                        Objects::OutOfReach => {}
                        // The rows keep the names of their objects, for the next run.
                        Objects::Left => continue,
                    }
                }
                done.rows += due.rows();
                done.more |= due.rows() >= PAGE;
                updates.extend(clear(table, &cleared, before, due));
                progress.push((table.name, due.to_id));
            }
        }
        if updates.is_empty() {
            return Ok(done);
        }
        updates.push(note(&progress)?);
        let results = self.run("clear_texts", &updates).await?;
        if turns_are_due && let Some(cleared) = results.first() {
            let cleared = cleared.rows::<Seen>()?.len();
            done.rows += u64::try_from(cleared).unwrap_or(0);
            done.more |= cleared >= TURNS;
        }
        Ok(done)
    }
}

/// A row without columns, for counting.
struct Seen;

impl FromRow for Seen {
    fn from_row(_: &mut Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self)
    }
}

/// A limit as SQL has it.
fn number(limit: u64) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn clear_turns(due: &Due, before: UtcTime) -> [Statement; 2] {
    let of_calls = |sql: &'static str| {
        Statement::new(sql)
            .bind(due.from_id)
            .bind(due.to_id)
            .bind(before)
            .bind(number(CALLS))
    };
    let clear = of_calls(CLEAR_TURNS).bind(i64::try_from(TURNS).unwrap_or(i64::MAX));
    [clear, of_calls(MARK_CALLS)]
}

/// Selects the ids that are due: after the cleared ones, up to the first row that is too young.
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

fn clear(table: &Table, cleared: &str, before: UtcTime, due: &Due) -> Vec<Statement> {
    let Table { name, created, .. } = table;
    let rows = |sql: String| {
        let statement = Statement::new(sql).bind(due.from_id).bind(due.to_id);
        statement.bind(before)
    };
    let mut statements = vec![rows(format!(
        "UPDATE {name} SET {cleared} WHERE id > ?1 AND id <= ?2 \
           AND datetime({created}) < datetime(?3)"
    ))];
    let calls = |which| rows(format!("UPDATE calls SET {WORDS_OF_A_CALL} WHERE {which}"));
    statements.extend(table.also.map(calls));
    statements
}

/// Stores how far clearing has come.
fn note(progress: &[(&str, i64)]) -> Result<Statement, DatabaseError> {
    let progress = serde_json::to_string(progress)
        .map_err(|error| DatabaseError::new(format!("progress as JSON: {error}")))?;
    Ok(Statement::new(
        "INSERT INTO retention_progress (table_name, cleared_to_id) \
         SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?1) WHERE true \
         ON CONFLICT (table_name) DO UPDATE SET cleared_to_id = MAX(cleared_to_id, excluded.cleared_to_id)",
    )
    .bind(progress))
}

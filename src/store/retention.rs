//! Clearing texts that are older than they may be kept. Rows, numbers and outcomes stay.

use super::payloads::Objects;
use super::{Database, DatabaseError, FromRow, Row, Statement, Store};
use crate::model::UtcTime;
use crate::platform::Runtime;

const EVENTS: &str = "elevenlabs_events";

/// How many rows of a table are looked at in one go.
const PAGE: u64 = 500;
/// How many calls' turns are looked at in one go, and as many calls again that retention has passed
/// before and that have got texts since.
const CALLS: u64 = 50;
/// How many turns are cleared in one go.
const TURNS: usize = 2_000;

/// What one go did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cleared {
    /// Rows that were cleared, or looked at and passed.
    pub rows: u64,
    /// Whether the next go finds more.
    pub more: bool,
}

/// A table whose texts are cleared row by row: its name, the column that tells a row's age, when a row may still get a
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

const TABLES: [Table; 2] = [
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
        name: EVENTS,
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

/// Which calls' turns are due: from the last one that was passed (`from_id`) up to the first call that
/// is too young, and whether calls that were passed before have texts that are due now. A turn has no
/// index by age, which would be a second written row for each. But it is younger than its call, as a
/// rule; a call that is passed and has a text left is marked (`calls.turns_due_at`).
pub const DUE_TURNS: &str = "WITH progress AS (SELECT COALESCE((SELECT cleared_to_id FROM retention_progress \
                                            WHERE table_name = 'turns_of_calls'), 0) AS id), \
         page AS (SELECT id, datetime(created_at) AS created FROM calls \
                  WHERE id > (SELECT id FROM progress) ORDER BY id LIMIT ?2) \
     SELECT (SELECT id FROM progress) AS from_id, \
       COALESCE((SELECT MIN(id) - 1 FROM page WHERE created >= datetime(?1)), \
                (SELECT MAX(id) FROM page)) AS to_id, \
       EXISTS (SELECT 1 FROM calls WHERE turns_due_at < ?1) AS marked";

/// Clears the turns of calls `?1` to `?2`, and of the calls whose mark is due longest, that are older
/// than `?3`. An empty message is one that was cleared: no turn is stored without text.
pub const CLEAR_TURNS: &str = "UPDATE call_transcriptions SET message_text = '', original_text = NULL \
     WHERE (conversation_id, sequence_number) IN \
       (SELECT t.conversation_id, t.sequence_number FROM call_transcriptions t \
        WHERE t.conversation_id IN \
            (SELECT conversation_id FROM calls WHERE (id > ?1 AND id <= ?2) OR id IN \
               (SELECT id FROM calls WHERE turns_due_at < ?3 ORDER BY turns_due_at LIMIT ?4)) \
          AND (t.message_text <> '' OR t.original_text IS NOT NULL) \
          AND datetime(t.created_at) < datetime(?3) LIMIT ?5) \
     RETURNING 1";

/// Marks those of the same calls that have a text left with when their oldest one was stored, and takes
/// the mark from the others.
pub const MARK_CALLS: &str = "UPDATE calls SET turns_due_at = j.due \
     FROM (SELECT c.id, (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', MIN(datetime(t.created_at))) \
                         FROM call_transcriptions t WHERE t.conversation_id = c.conversation_id \
                           AND (t.message_text <> '' OR t.original_text IS NOT NULL)) AS due \
           FROM calls c WHERE (c.id > ?1 AND c.id <= ?2) OR c.id IN \
             (SELECT id FROM calls WHERE turns_due_at < ?3 ORDER BY turns_due_at LIMIT ?4)) j \
     WHERE calls.id = j.id AND calls.turns_due_at IS NOT j.due";

/// What is due: after `from_id`, to `to_id`.
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
    /// Clears the texts of rows made before a time, a page of each table, from where the last one
    /// stopped. One round trip when nothing is due, two otherwise, three when events
    /// are due; eleven statements at most.
    ///
    /// Ids grow with time, so it goes by id and stops at the first row that is too young.
    ///
    /// # Errors
    /// [`DatabaseError`] after the retries. Clearing twice changes nothing.
    pub async fn clear_texts(&self, before: UtcTime) -> Result<Cleared, DatabaseError> {
        let turns = Statement::new(DUE_TURNS).bind(before).bind(number(CALLS));
        let mut selects = vec![turns];
        selects.extend(TABLES.iter().map(|table| due(table, before)));
        let results = self.run("clear_texts", &selects).await?;
        let mut dues = Vec::new();
        for result in &results {
            dues.extend(result.rows::<Due>()?.pop());
        }
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
                        // The rows have to keep the names of what is left.
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

/// A row that is only counted.
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

/// Notes how far clearing has come.
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

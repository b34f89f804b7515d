//! CSV as psql writes it: commas, quotes doubled inside quotes, line ends inside quotes, LF or CRLF. Unlike a general
//! reader it tells a quoted empty field (a text) from an unquoted one (NULL), and refuses what psql never writes.

use std::borrow::Cow;

/// One field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'a> {
    /// The text, without the quotes.
    pub text: Cow<'a, str>,
    /// Whether it stood in quotes.
    pub quoted: bool,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// The line of the file on which it begins; the first is 1.
    pub line: usize,
    /// Its fields.
    pub fields: Vec<Field<'a>>,
}

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The line of the file where the fault is.
    pub line: usize,
    /// What is wrong.
    pub fault: &'static str,
}

/// The records of a text, the header first.
pub struct Records<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Records<'a> {
    /// Reads this text. A byte order mark at its beginning is passed over.
    pub fn new(text: &'a str) -> Self {
        Self {
            rest: text.strip_prefix('\u{feff}').unwrap_or(text),
            line: 1,
        }
    }

    /// Cuts so many bytes off the front of what is left.
    fn cut(&mut self, length: usize) -> &'a str {
        let (front, rest) = self.rest.split_at(length);
        self.line += front.bytes().filter(|byte| *byte == b'\n').count();
        self.rest = rest;
        front
    }

    /// Passes over this text, if it is the next.
    fn take(&mut self, text: &str) -> bool {
        let found = self.rest.starts_with(text);
        if found {
            self.cut(text.len());
        }
        found
    }

    /// Whether the record ends here; passes over its line end.
    fn ends(&mut self) -> bool {
        self.take("\n") || self.take("\r\n") || self.rest.is_empty()
    }

    fn field(&mut self) -> Result<Field<'a>, Malformed> {
        if self.rest.starts_with('"') {
            return self.quoted();
        }
        let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
        let line = self.line;
        let text = self.cut(end);
        let line_end = self.rest.starts_with('\n') || self.rest.is_empty();
        let text = if line_end {
            text.strip_suffix('\r').unwrap_or(text)
        } else {
            text
        };
        if text.contains('"') {
            return Err(Malformed {
                line,
                fault: "has a quote inside a field that does not begin with one",
            });
        }
        Ok(Field {
            text: Cow::Borrowed(text),
            quoted: false,
        })
    }

    fn quoted(&mut self) -> Result<Field<'a>, Malformed> {
        let line = self.line;
        self.cut(1);
        let mut text = Cow::Borrowed("");
        loop {
            let Some(end) = self.rest.find('"') else {
                self.cut(self.rest.len());
                return Err(Malformed {
                    line,
                    fault: "opens a quote that is never closed",
                });
            };
            let part = self.cut(end);
            if text.is_empty() {
                text = Cow::Borrowed(part);
            } else {
                text.to_mut().push_str(part);
            }
            self.cut(1);
            if !self.take("\"") {
                break;
            }
            text.to_mut().push('"');
        }
        let at_end = self.rest.is_empty()
            || [",", "\n", "\r\n"]
                .iter()
                .any(|end| self.rest.starts_with(end));
        if at_end {
            Ok(Field { text, quoted: true })
        } else {
            Err(Malformed {
                line: self.line,
                fault: "has text behind a closing quote",
            })
        }
    }

    fn record(&mut self) -> Result<Record<'a>, Malformed> {
        let line = self.line;
        let mut fields = Vec::new();
        loop {
            match self.field() {
                Ok(field) => fields.push(field),
                Err(malformed) => {
                    // The next line may be well again.
                    let end = self.rest.find('\n').map_or(self.rest.len(), |end| end + 1);
                    self.cut(end);
                    return Err(malformed);
                }
            }
            if self.ends() {
                return Ok(Record { line, fields });
            }
            // A field ends at a comma, or at the end of the record.
            self.cut(1);
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        // An empty line is no record: many editors leave one at the end.
        while self.take("\n") || self.take("\r\n") {}
        (!self.rest.is_empty()).then(|| self.record())
    }
}

#[cfg(test)]
mod tests {
    use super::Records;

    /// Each record's line and fields; a quoted field stands in brackets.
    fn read(text: &str) -> Vec<String> {
        let show = |record: Result<super::Record<'_>, super::Malformed>| match record {
            Ok(record) => {
                let fields = record.fields.iter();
                let fields: Vec<_> = fields
                    .map(|field| {
                        if field.quoted {
                            format!("[{}]", field.text)
                        } else {
                            field.text.to_string()
                        }
                    })
                    .collect();
                format!("{}: {}", record.line, fields.join("|"))
            }
            Err(malformed) => format!("{}! {}", malformed.line, malformed.fault),
        };
        Records::new(text).map(show).collect()
    }

    #[test]
    fn fields_are_what_psql_wrote() {
        let text =
            "\u{feff}id,text\r\n1,\"a, \"\"b\"\"\r\nc\"\r\n2,\n3,\"\"\n\n4,\\N\n5,\"\"\"\"\n6,é\r";
        let records = [
            "1: id|text",
            "2: 1|[a, \"b\"\r\nc]",
            "4: 2|",
            "5: 3|[]",
            "7: 4|\\N",
            "8: 5|[\"]",
            "9: 6|é",
        ];
        assert_eq!(read(text), records);
        assert_eq!(read(""), [""; 0]);
        assert_eq!(read("a,b"), ["1: a|b"]);
        assert_eq!(read("a,"), ["1: a|"]);
    }

    #[test]
    fn what_psql_never_writes_is_a_fault_of_its_line() {
        let text = "id,text\n1,a\"b\"\n2,\"a\"b\n3,fine\n4,\"never\nclosed\n";
        let records = [
            "1: id|text",
            "2! has a quote inside a field that does not begin with one",
            "3! has text behind a closing quote",
            "4: 3|fine",
            "5! opens a quote that is never closed",
        ];
        assert_eq!(read(text), records);
    }
}

//! The fields of one flat JSON object, in the order in which they stand.
//!
//! Text without escapes is borrowed, numbers are read exactly, and nested values are passed over. It is written by hand
//! because `serde_json` reads floats up to a digit off unless a feature is switched on for the whole build, and what is
//! written must be read back the same. It does not know tables.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::rows::Cell;

/// The value of a field.
pub(crate) enum Found<'a> {
    Cell(Cell<'a>),
    /// A list or an object.
    Nested,
}

/// A byte's place, counted from 1, and what is wrong there.
pub(crate) type Fault = (usize, String);

/// Calls `field` with the name and value of every field; what it answers as wrong is given the place of that value.
pub(crate) fn object<'a>(
    json: &'a [u8],
    mut field: impl FnMut(&str, Found<'a>) -> Result<(), String>,
) -> Result<(), Fault> {
    let mut scan = Scan { json, at: 0 };
    scan.expect(b'{', "a JSON object")?;
    if !scan.skip(b'}') {
        loop {
            scan.blanks();
            let name = scan.text("a field's name in quotes")?;
            scan.expect(b':', "a colon")?;
            scan.blanks();
            let place = scan.at + 1;
            let value = scan.value()?;
            field(&name, value).map_err(|message| (place, message))?;
            if scan.skip(b'}') {
                break;
            }
            scan.expect(b',', "a comma or }")?;
        }
    }
    scan.blanks();
    if scan.at < json.len() {
        Err(scan.fault("nothing behind the object"))
    } else {
        Ok(())
    }
}

/// A cursor; it never steps back.
struct Scan<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn fault(&self, expected: &str) -> Fault {
        let found = match self.json.get(self.at) {
            None => "the line ends".to_owned(),
            Some(byte) if byte.is_ascii_graphic() => format!("here stands {:?}", char::from(*byte)),
            Some(_) => "something else stands here".to_owned(),
        };
        (self.at + 1, format!("{expected} was expected, but {found}"))
    }

    fn blanks(&mut self) {
        while matches!(self.json.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Passes over blanks and `byte`, if it stands there.
    fn skip(&mut self, byte: u8) -> bool {
        self.blanks();
        let there = self.json.get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8, expected: &str) -> Result<(), Fault> {
        if self.skip(byte) {
            Ok(())
        } else {
            Err(self.fault(expected))
        }
    }

    /// The value that starts here; blanks before it are gone.
    fn value(&mut self) -> Result<Found<'a>, Fault> {
        let cell = match self.json.get(self.at) {
            Some(b'"') => Cell::Text(self.text("text")?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'{' | b'[') => return self.nested(),
            _ if self.literal(b"true") => Cell::Boolean(true),
            _ if self.literal(b"false") => Cell::Boolean(false),
            _ if self.literal(b"null") => Cell::Null,
            _ => return Err(self.fault("a value")),
        };
        Ok(Found::Cell(cell))
    }

    fn literal(&mut self, literal: &[u8]) -> bool {
        let there = self.json[self.at..].starts_with(literal);
        self.at += if there { literal.len() } else { 0 };
        there
    }

    /// Text in quotes: found by its end first, then looked at once as a whole.
    fn text(&mut self, expected: &str) -> Result<Cow<'a, str>, Fault> {
        if self.json.get(self.at) != Some(&b'"') {
            return Err(self.fault(expected));
        }
        let start = self.at + 1;
        let mut escaped = false;
        let mut end = start;
        loop {
            match self.json.get(end) {
                Some(b'"') => break,
                // Whatever is escaped, a quote included, does not end the text.
                Some(b'\\') => {
                    escaped = true;
                    end += 2;
                }
                Some(0..0x20) => return Err((end + 1, "a control character stands in text; write \\u00..".to_owned())),
                Some(_) => end += 1,
                None => return Err((start, "the quote is never closed".to_owned())),
            }
        }
        self.at = end + 1;
        if escaped {
            let text = serde_json::from_slice(&self.json[start - 1..=end]);
            return text
                .map(Cow::Owned)
                .map_err(|_| (start, "the text has a wrong escape or is not UTF-8".to_owned()));
        }
        let text = str::from_utf8(&self.json[start..end]);
        text.map(Cow::Borrowed)
            .map_err(|error| (start + error.valid_up_to() + 1, "the text is not UTF-8".to_owned()))
    }

    /// An integer where it fits 64 bits, for a float would lose digits of large ids.
    fn number(&mut self) -> Result<Cell<'a>, Fault> {
        let start = self.at;
        let rest = &self.json[start..];
        let length = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        self.at += length.unwrap_or(rest.len());
        let text = str::from_utf8(&self.json[start..self.at]).unwrap_or_default();
        let wrong = || (start + 1, format!("{text} is no number"));
        if !is_json_number(text) {
            return Err(wrong());
        }
        if let Ok(value) = text.parse() {
            return Ok(Cell::Integer(value));
        }
        // More than 64 bits is left to the column, which takes it as a float or refuses it.
        text.parse()
            .ok()
            .filter(|value: &f64| value.is_finite())
            .map(Cell::Float)
            .ok_or_else(wrong)
    }

    /// Passed over by `serde_json`, which bounds how deep it goes.
    fn nested(&mut self) -> Result<Found<'a>, Fault> {
        let mut values = serde_json::Deserializer::from_slice(&self.json[self.at..]).into_iter::<IgnoredAny>();
        match values.next() {
            Some(Ok(_)) => {
                self.at += values.byte_offset();
                Ok(Found::Nested)
            }
            _ => Err((self.at + 1, "the list or object is not JSON".to_owned())),
        }
    }
}

/// JSON is stricter than Rust: no `01`, `1.` or `.5`.
fn is_json_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let leading_zero = matches!(unsigned, [b'0', b'0'..=b'9', ..]);
    let digits_around_point = match unsigned.iter().position(|byte| *byte == b'.') {
        None => true,
        Some(point) => point > 0 && unsigned.get(point + 1).is_some_and(u8::is_ascii_digit),
    };
    unsigned.first().is_some_and(u8::is_ascii_digit) && !leading_zero && digits_around_point
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(json: &str) -> Result<Vec<String>, Fault> {
        let mut cells = Vec::new();
        object(json.as_bytes(), |name, found| {
            cells.push(match found {
                Found::Cell(cell) => format!("{name}={cell:?}"),
                Found::Nested => format!("{name}=nested"),
            });
            Ok(())
        })?;
        Ok(cells)
    }

    #[test]
    fn values_of_every_kind() {
        assert_eq!(cells(" { } ").expect("valid"), [""; 0]);
        let all =
            r#"{"a" : -0, "b\n":1.5e3,"c":"x\"\u00e9","d":[{"e":"}"}],"f":true,"g":null,"h":18446744073709551616}"#;
        let expected = [
            "a=Integer(0)",
            "b\n=Float(1500.0)",
            "c=Text(\"x\\\"é\")",
            "d=nested",
            "f=Boolean(true)",
            "g=Null",
            "h=Float(1.8446744073709552e19)",
        ];
        assert_eq!(cells(all).expect("valid"), expected);
    }

    #[test]
    fn faults_have_their_place() {
        for (json, place) in [
            ("", 1),
            ("[1]", 1),
            ("{\"a\"}", 5),
            ("{\"a\":}", 6),
            ("{\"a\":01}", 6),
            ("{\"a\":1.}", 6),
            ("{\"a\":1e999}", 6),
            ("{\"a\":\"x}", 6),
            ("{\"a\":\"\\q\"}", 6),
            ("{\"a\":tru}", 6),
            ("{\"a\":1,}", 8),
            ("{\"a\":1 \"b\":2}", 8),
            ("{\"a\":1} x", 9),
            ("{\"a\":[1,}", 6),
        ] {
            assert_eq!(cells(json).expect_err(json).0, place, "{json}");
        }
    }
}

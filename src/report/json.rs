//! JSON written by hand, for records of which there are many: no octet is looked at twice, nothing is allocated.
//! What is rare in them is left to `serde_json`, as all other records are.

use serde::Serialize;

use crate::base::octets;

/// Appends values to the output. The punctuation and the names between them are [`Json::raw`].
pub(super) struct Json<'o>(pub &'o mut Vec<u8>);

impl Json<'_> {
    /// JSON as it stands here.
    pub(super) fn raw(&mut self, json: impl AsRef<[u8]>) {
        self.0.extend_from_slice(json.as_ref());
    }

    /// What serde makes of the value. No value of a record fails.
    pub(super) fn value(&mut self, value: &(impl Serialize + ?Sized)) {
        let _ = serde_json::to_writer(&mut *self.0, value);
    }

    /// Text, which was escaped before where it is from outside.
    pub(super) fn string(&mut self, text: &str) {
        let odd = |word| octets::control(word) | octets::same(word, b'\\') | octets::same(word, b'"');
        if octets::none(text.as_bytes(), odd) { self.quoted(text.as_bytes()) } else { self.value(text) }
    }

    /// A value that may be missing.
    pub(super) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.raw("null"),
        }
    }

    pub(super) fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.raw("[");
        for (nth, item) in items.iter().enumerate() {
            if nth > 0 {
                self.raw(",");
            }
            write(self, item);
        }
        self.raw("]");
    }

    /// A list of lines or words.
    pub(super) fn strings(&mut self, items: &[String]) {
        self.list(items, |json, item| json.string(item));
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.raw(if flag { "true" } else { "false" });
    }

    /// A code that a reply may have.
    pub(super) fn code(&mut self, code: Option<u16>) {
        self.option(code, |json, code| json.value(&code));
    }

    fn quoted(&mut self, text: &[u8]) {
        self.0.reserve(text.len().saturating_add(2));
        self.0.push(b'"');
        self.0.extend_from_slice(text);
        self.0.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Json<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Json(&mut out));
        String::from_utf8(out).unwrap()
    }

    fn expected(value: &(impl Serialize + ?Sized)) -> String {
        serde_json::to_string(value).unwrap()
    }

    proptest! {
        #[test]
        fn any_value_reads_as_serde_json_writes_it(other: String, text: String, code: Option<u16>, flag: bool) {
            prop_assert_eq!(written(|json| json.flag(flag)), expected(&flag));
            prop_assert_eq!(written(|json| json.string(&text)), expected(&text));
            prop_assert_eq!(written(|json| json.code(code)), expected(&code));
            let lines = [other, text];
            prop_assert_eq!(written(|json| json.strings(&lines)), expected(&lines));
        }
    }

    #[test]
    fn every_octet_is_escaped_as_serde_json_does_it() {
        for octet in 0..=u8::MAX {
            let text = char::from(octet).to_string();
            assert_eq!(written(|json| json.string(&text)), expected(&text));
        }
    }

    #[test]
    fn edges() {
        assert_eq!(written(|json| json.string("")), "\"\"");
        assert_eq!(written(|json| json.strings(&[])), "[]");
    }
}

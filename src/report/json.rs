//! How a record becomes JSON: compact, straight into the output. It writes what `serde_json` would, without looking
//! at each octet of each key and value: keys are the program's own names and are copied, strings are looked at eight
//! octets at a time and copied whole. What is rare in records is left to `serde_json`.

use serde::Serialize;
use serde::ser::{Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple, Serializer};
use serde_json::Error;

use crate::base::octets;

/// Appends a value.
pub(super) fn write(value: &impl Serialize, out: &mut Vec<u8>) -> Result<(), Error> {
    value.serialize(Json(out))
}

/// Writes one value.
struct Json<'o>(&'o mut Vec<u8>);

/// Writes what stands between two brackets. Each item ends in a comma, and the closing bracket takes the last one's
/// place.
struct Items<'o> {
    out: &'o mut Vec<u8>,
    close: u8,
}

impl<'o> Items<'o> {
    fn begin(out: &'o mut Vec<u8>, open: u8, close: u8) -> Self {
        out.push(open);
        Items { out, close }
    }

    fn item(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        value.serialize(Json(self.out))?;
        self.out.push(b',');
        Ok(())
    }

    /// A name of the program's own, which holds nothing to escape.
    fn name(&mut self, name: &'static str) {
        self.out.reserve(name.len().saturating_add(3));
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    // Every serde interface ends so.
    #[expect(clippy::unnecessary_wraps, reason = "serde wants a result")]
    fn close(self) -> Result<(), Error> {
        match self.out.last_mut() {
            Some(comma @ b',') => *comma = self.close,
            _ => self.out.push(self.close),
        }
        Ok(())
    }
}

/// Whether a string holds nothing to escape (RFC 8259 section 7).
fn is_bare(text: &str) -> bool {
    octets::none(text.as_bytes(), |word| octets::control(word) | octets::same(word, b'"') | octets::same(word, b'\\'))
}

/// Appends a number in decimal.
fn decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = u8::try_from(number % 10).unwrap_or(0).saturating_add(b'0');
        number /= 10;
        first = at;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(first..).unwrap_or_default());
}

/// Leaves these kinds of values to `serde_json`.
macro_rules! left {
    ($($name:ident $of:ty),+) => {
        $(fn $name(self, value: $of) -> Result<(), Error> {
            serde_json::to_writer(self.0, &value)
        })+
    };
}

/// These kinds of values are small numbers.
macro_rules! numbers {
    ($($name:ident $of:ty),+) => {
        $(fn $name(self, value: $of) -> Result<(), Error> {
            self.serialize_u64(u64::from(value))
        })+
    };
}

impl<'o> Serializer for Json<'o> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Items<'o>;
    type SerializeTuple = Items<'o>;
    type SerializeMap = Items<'o>;
    type SerializeStruct = Items<'o>;
    // No record has any of these.
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeStructVariant = Impossible<(), Error>;

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        if !is_bare(text) {
            return serde_json::to_writer(self.0, text);
        }
        self.0.reserve(text.len().saturating_add(2));
        self.0.push(b'"');
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'"');
        Ok(())
    }

    fn serialize_u64(self, number: u64) -> Result<(), Error> {
        decimal(number, self.0);
        Ok(())
    }

    fn serialize_bool(self, flag: bool) -> Result<(), Error> {
        self.0.extend_from_slice(if flag { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'o>, Error> {
        Ok(Items::begin(self.0, b'[', b']'))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'o>, Error> {
        Ok(Items::begin(self.0, b'[', b']'))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Items<'o>, Error> {
        Ok(Items::begin(self.0, b'{', b'}'))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Items<'o>, Error> {
        Ok(Items::begin(self.0, b'{', b'}'))
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let mut fields = Items::begin(self.0, b'{', b'}');
        fields.name(variant);
        fields.item(value)?;
        fields.close()
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        Err(unexpected(name))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Err(unexpected(name))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Err(unexpected(name))
    }

    numbers!(serialize_u8 u8, serialize_u16 u16, serialize_u32 u32);
    left!(serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64, serialize_f32 f32, serialize_f64 f64,
        serialize_char char, serialize_bytes &[u8]);
}

fn unexpected(name: &str) -> Error {
    serde::ser::Error::custom(format_args!("no record holds what {name} is"))
}

impl SerializeSeq for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.item(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

impl SerializeTuple for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.item(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

impl SerializeStruct for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.name(name);
        self.item(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

impl SerializeMap for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        key.serialize(Json(self.out))?;
        self.out.push(b':');
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.item(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn assert_as_serde_json(value: &(impl Serialize + std::fmt::Debug)) {
        let mut out = Vec::new();
        write(value, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(value).unwrap(), "{value:?}");
    }

    #[derive(Debug, Serialize)]
    struct Record {
        text: String,
        numbers: (u64, u8, i64, f64),
        list: Vec<Option<String>>,
        map: BTreeMap<String, u64>,
        flags: [bool; 2],
        nothing: (),
        kind: Kind,
        empty: Vec<u8>,
    }

    #[derive(Debug, Serialize)]
    enum Kind {
        One,
        Other(u64),
    }

    proptest! {
        #[test]
        fn any_record_reads_as_serde_json_writes_it(
            text: String,
            numbers: (u64, u8, i64, f64),
            list: Vec<Option<String>>,
            map: BTreeMap<String, u64>,
            flags: [bool; 2],
        ) {
            let record = Record { text, numbers, list, map, flags, nothing: (), kind: Kind::One, empty: Vec::new() };
            assert_as_serde_json(&record);
        }
    }

    #[test]
    fn every_octet_is_escaped_as_serde_json_does_it() {
        let all: String = (0..=u8::MAX).map(char::from).collect();
        assert_as_serde_json(&all);
        all.chars().for_each(|char| assert_as_serde_json(&char.to_string()));
    }

    #[test]
    fn numbers_at_their_edges_and_empty_things() {
        for number in [0, 9, 10, 99, 100, u64::MAX] {
            assert_as_serde_json(&number);
        }
        assert_as_serde_json(&(Kind::Other(7), "", [0_u8; 0], BTreeMap::<String, u8>::new()));
        assert_as_serde_json(&serde_json::json!({ "a": [1, -1, 1.5, null, true, { "b": "\"" }], "c": {} }));
        assert_as_serde_json(&Value::Null);
    }
}

//! How values that many rooms have are written down so that another process reads back the very same ones: octets,
//! the program's own words, paths, places of packets, flows, shards.
//!
//! Bounds: [`MOST_WORDS`] words, each of [`LONGEST_WORD`] octets at most; what names more is no file of ours.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use data_encoding::BASE64;
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::octets::are_printable;
use super::{Endpoint, FlowKey, Moment, Ordinal, Side, Tally, Time};

/// A word of the program's own: it lives as long as the program does. The alias keeps serde from taking it for a borrow
/// of what is read.
pub(crate) type Literal = &'static str;

/// So many words are known at most; the program itself has about two hundred.
const MOST_WORDS: usize = 4096;
const LONGEST_WORD: usize = 64;

/// Words that were read. One is kept once and for ever, so that it is as good as one that stands in the program.
static WORDS: Mutex<BTreeSet<Literal>> = Mutex::new(BTreeSet::new());

/// The word that was read, as one of the program's own; `None` beyond the bounds.
fn literal(word: &str) -> Option<Literal> {
    let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = words.get(word) {
        return Some(known);
    }
    if words.len() >= MOST_WORDS || word.len() > LONGEST_WORD {
        return None;
    }
    let word: Literal = Box::leak(word.to_owned().into_boxed_str());
    words.insert(word);
    Some(word)
}

/// A word that is read back.
struct Word(Literal);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneWord;
        impl Visitor<'_> for OneWord {
            type Value = Word;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "a word of at most {LONGEST_WORD} octets, {MOST_WORDS} of them in all")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Word, E> {
                literal(word).map(Word).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(word), &self))
            }
        }
        deserializer.deserialize_str(OneWord)
    }
}

/// Reads a word.
pub(crate) fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Literal, D::Error> {
    Word::deserialize(deserializer).map(|Word(word)| word)
}

/// Reads a word that may be missing.
pub(crate) fn any_word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Literal>, D::Error> {
    Ok(Option::deserialize(deserializer)?.map(|Word(word)| word))
}

/// Reads values, each with a word before it.
pub(crate) fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(Literal, T)>, D::Error> {
    let named: Vec<(Word, T)> = Vec::deserialize(deserializer)?;
    Ok(named.into_iter().map(|(Word(word), value)| (word, value)).collect())
}

impl Serialize for Tally {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Tally {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counts;
        impl<'de> Visitor<'de> for Counts {
            type Value = Tally;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("counts by their names")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Tally, M::Error> {
                let mut tally = Tally::default();
                while let Some((Word(name), count)) = map.next_entry()? {
                    tally.add(name, count);
                }
                Ok(tally)
            }
        }
        deserializer.deserialize_map(Counts)
    }
}

/// What holds octets: printable ASCII is written as it is, anything else as base64 in an object of its own, so that
/// nothing can be taken for anything else.
pub(crate) trait Octets: Sized {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// For `#[serde(with = "octets")]`.
pub(crate) mod octets {
    use serde::{Deserializer, Serializer};

    use super::Octets;

    pub(crate) fn serialize<T: Octets, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        value.write(serializer)
    }

    pub(crate) fn deserialize<'de, T: Octets, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        T::read(deserializer)
    }
}

/// The name of the only field of an object that stands for octets.
const MARKER: &str = "base64";

fn write_octets<S: Serializer>(octets: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    if let Some(text) = std::str::from_utf8(octets).ok().filter(|_| are_printable(octets)) {
        return serializer.serialize_str(text);
    }
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(MARKER, &BASE64.encode(octets))?;
    map.end()
}

impl Octets for Vec<u8> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_octets(self, serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Vec<u8>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "printable ASCII, or an object with {MARKER} alone")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
                self.visit_string(text.to_owned())
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Vec<u8>, E> {
                if are_printable(text.as_bytes()) {
                    return Ok(text.into_bytes());
                }
                Err(E::invalid_value(serde::de::Unexpected::Str(&text), &self))
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Vec<u8>, M::Error> {
                let wrong = || M::Error::custom(format_args!("octets are neither text nor {MARKER}"));
                let (name, text): (String, String) = map.next_entry()?.ok_or_else(wrong)?;
                let octets = BASE64.decode(text.as_bytes()).ok().filter(|octets| !are_printable(octets));
                let octets = octets.filter(|_| name == MARKER).ok_or_else(wrong)?;
                if map.next_key::<String>()?.is_some() {
                    return Err(wrong());
                }
                Ok(octets)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A path is octets too, where the system has it so.
impl Octets for PathBuf {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_octets(self.as_os_str().as_encoded_bytes(), serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = os_string(Vec::read(deserializer)?);
        path.map(PathBuf::from).ok_or_else(|| D::Error::custom("a path that this system cannot have"))
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere not every path can be had")]
fn os_string(octets: Vec<u8>) -> Option<OsString> {
    Some(std::os::unix::ffi::OsStringExt::from_vec(octets))
}

#[cfg(not(unix))]
fn os_string(octets: Vec<u8>) -> Option<OsString> {
    String::from_utf8(octets).ok().map(OsString::from)
}

impl<const N: usize> Octets for [u8; N] {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_octets(self, serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::read(deserializer)?.try_into().map_err(|_| D::Error::custom(format_args!("not {N} octets")))
    }
}

impl<T: Octets> Octets for Option<T> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Some(value) => serializer.serialize_some(&Writes(value)),
            None => serializer.serialize_none(),
        }
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map(|Reads(value)| value))
    }
}

impl<T: Octets> Octets for Vec<T> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Writes))
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all: Vec<Reads<T>> = Vec::deserialize(deserializer)?;
        Ok(all.into_iter().map(|Reads(value)| value).collect())
    }
}

/// An address, and the code that it got.
impl Octets for (Vec<u8>, Option<u16>) {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (Writes(&self.0), self.1).serialize(serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (Reads(octets), code) = Deserialize::deserialize(deserializer)?;
        Ok((octets, code))
    }
}

struct Writes<'v, T>(&'v T);

impl<T: Octets> Serialize for Writes<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

struct Reads<T>(T);

impl<'de, T: Octets> Deserialize<'de> for Reads<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Reads)
    }
}

/// A place as its parts: the greatest time so far, the capture's rank, the frame.
pub(crate) type Parts = (i64, u32, u64);

impl Ordinal {
    /// Its parts.
    pub(crate) fn parts(self) -> Parts {
        (self.reached().0, self.rank(), self.frame())
    }

    /// The place that has these parts; `None` where none can have them.
    pub(crate) fn of_parts((reached, rank, frame): Parts) -> Option<Self> {
        let place = Ordinal::new(Time(reached), rank, frame);
        (place.parts() == (reached, rank, frame)).then_some(place)
    }
}

const NO_PLACE: &str = "a rank or frame that no packet can have";

impl Serialize for Ordinal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.parts().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Ordinal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ordinal::of_parts(Parts::deserialize(deserializer)?).ok_or_else(|| D::Error::custom(NO_PLACE))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (reached, rank, frame) = self.ordinal.parts();
        (reached, rank, frame, self.time).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (reached, rank, frame, time) = Deserialize::deserialize(deserializer)?;
        let ordinal = Ordinal::of_parts((reached, rank, frame)).ok_or_else(|| D::Error::custom(NO_PLACE))?;
        Ok(Moment { ordinal, time })
    }
}

impl Serialize for FlowKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.end(Side::A), self.end(Side::B)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FlowKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (a, b): (Endpoint, Endpoint) = Deserialize::deserialize(deserializer)?;
        match FlowKey::new(a, b) {
            (flow, Side::A) => Ok(flow),
            (_, Side::B) => Err(D::Error::custom("a flow whose ends stand in the wrong order")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What every kind of octets has.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct All {
        #[serde(with = "octets")]
        line: Vec<u8>,
        #[serde(with = "octets")]
        maybe: Option<Vec<u8>>,
        #[serde(with = "octets")]
        lines: Vec<Vec<u8>>,
        #[serde(with = "octets")]
        hash: [u8; 4],
        #[serde(with = "octets")]
        recipients: Vec<(Vec<u8>, Option<u16>)>,
        #[serde(deserialize_with = "word")]
        word: Literal,
    }

    proptest! {
        #[test]
        fn any_octets_are_read_back_as_they_were(
            line: Vec<u8>,
            maybe: Option<Vec<u8>>,
            lines: Vec<Vec<u8>>,
            hash: [u8; 4],
            recipients: Vec<(Vec<u8>, Option<u16>)>,
        ) {
            let all = All { line, maybe, lines, hash, recipients, word: "none" };
            let written = serde_json::to_string(&all).unwrap();
            prop_assert!(are_printable(written.as_bytes()));
            prop_assert_eq!(serde_json::from_str::<All>(&written).unwrap(), all);
        }

        #[test]
        fn any_place_is_read_back_as_it_was(reached: i64, rank in 0..=Ordinal::MOST_RANK, frame in 0..1_u64 << 40, time: i64) {
            let at = Moment { ordinal: Ordinal::new(Time(reached), rank, frame), time: Time(time) };
            let written = serde_json::to_string(&at).unwrap();
            prop_assert_eq!(serde_json::from_str::<Moment>(&written).unwrap(), at);
        }

        #[test]
        fn any_flow_is_read_back_as_it_was(a: std::net::IpAddr, b: std::net::IpAddr, p: u16, q: u16) {
            let (flow, _) = FlowKey::new(Endpoint { ip: a, port: p }, Endpoint { ip: b, port: q });
            let written = serde_json::to_string(&flow).unwrap();
            prop_assert_eq!(serde_json::from_str::<FlowKey>(&written).unwrap(), flow);
        }
    }

    fn octets_of(json: &str) -> Option<Vec<u8>> {
        serde_json::from_str(json).ok().map(|Reads(octets)| octets)
    }

    #[test]
    fn octets_have_one_form() {
        let written = |octets: &[u8]| serde_json::to_string(&Writes(&octets.to_vec())).unwrap();
        assert_eq!(written(b"250 \"ok\""), r#""250 \"ok\"""#);
        assert_eq!(written(b"\xff\n"), r#"{"base64":"/wo="}"#);
        assert_eq!(octets_of(r#"{"base64":"/wo="}"#), Some(b"\xff\n".to_vec()));
        for other in [r#"{"base64":"b2s="}"#, r#"{"base64":"/wo"}"#, r#"{"hex":"/wo="}"#, "{}", "\"\u{e4}\"", "[1]"] {
            assert_eq!(octets_of(other), None, "{other}");
        }
        assert_eq!(octets_of(r#"{"base64":"/wo=","base64":"/wo="}"#), None);
    }

    #[test]
    fn the_end_of_everything_is_a_place() {
        let written = serde_json::to_string(&Ordinal::END).unwrap();
        assert_eq!(serde_json::from_str::<Ordinal>(&written).unwrap(), Ordinal::END);
        assert!(serde_json::from_str::<Ordinal>("[0,16777216,1]").is_err());
        assert!(serde_json::from_str::<Ordinal>("[0,0,1099511627776]").is_err());
    }

    #[test]
    fn a_word_that_was_read_is_kept_once_and_not_without_bounds() {
        let (one, other) = (literal("a-word-of-a-test").unwrap(), literal("a-word-of-a-test").unwrap());
        assert!(std::ptr::eq(one, other));
        assert_eq!(literal(&"x".repeat(LONGEST_WORD + 1)), None);
    }

    #[test]
    fn counts_are_read_back_in_any_order_of_their_names() {
        let mut tally = Tally::default();
        tally.add("late", 2);
        tally.add("choices", 1);
        let written = serde_json::to_string(&tally).unwrap();
        assert_eq!(written, r#"{"choices":1,"late":2}"#);
        assert_eq!(serde_json::from_str::<Tally>(&written).unwrap(), tally);
        assert_eq!(serde_json::from_str::<Tally>(r#"{"late":2,"choices":1}"#).unwrap(), tally);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_need_not_be_text() {
        let path = PathBuf::from(os_string(b"mail/\xff.pcap".to_vec()).unwrap());
        let written = serde_json::to_string(&Writes(&path)).unwrap();
        let Reads(again) = serde_json::from_str::<Reads<PathBuf>>(&written).unwrap();
        assert_eq!(again, path);
    }
}

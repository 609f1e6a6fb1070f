//! As much of JSON Schema 2020-12 as the schema of the records says, and no more: a word that is not known is an error, so
//! that nothing of it is passed over.

use serde_json::{Map, Value};

pub(super) struct Validator<'s> {
    schema: &'s Value,
}

impl<'s> Validator<'s> {
    pub(super) fn new(schema: &'s Value) -> Self {
        Validator { schema }
    }

    pub(super) fn check(&self, value: &Value) -> Result<(), String> {
        self.against(self.schema, value, "")
    }

    fn against(&self, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
        let Value::Object(words) = schema else {
            return if *schema == Value::Bool(true) { Ok(()) } else { Err(format!("{place}: nothing may stand here")) };
        };
        for (word, says) in words {
            self.word(word, says, words, value, place)?;
        }
        Ok(())
    }

    fn word(
        &self,
        word: &str,
        says: &Value,
        words: &Map<String, Value>,
        value: &Value,
        place: &str,
    ) -> Result<(), String> {
        let wrong = |why: String| Err(format!("{place}: {why}"));
        let list = || says.as_array().unwrap();
        match word {
            "$schema" | "$defs" | "title" | "description" | "format" | "default" => Ok(()),
            "$ref" => {
                let there = self.schema.pointer(says.as_str().unwrap().strip_prefix('#').unwrap());
                self.against(there.unwrap(), value, place)
            }
            "type" => {
                let names = says.as_array().map_or_else(|| vec![says], |names| names.iter().collect());
                let is = names.iter().any(|name| is_of(value, name.as_str().unwrap()));
                if is { Ok(()) } else { wrong(format!("{value} is not {says}")) }
            }
            "const" => {
                if says == value {
                    Ok(())
                } else {
                    wrong(format!("{value} is not {says}"))
                }
            }
            "enum" => {
                if list().contains(value) {
                    Ok(())
                } else {
                    wrong(format!("{value} is none of {says}"))
                }
            }
            "oneOf" | "anyOf" => {
                let results: Vec<_> = list().iter().map(|one| self.against(one, value, place)).collect();
                let taken = results.iter().filter(|result| result.is_ok()).count();
                match (word, taken) {
                    ("oneOf", 1) | ("anyOf", 1..) => Ok(()),
                    _ => wrong(format!("{taken} of {word} take it: {results:?}")),
                }
            }
            "required" => match value.as_object() {
                Some(fields) => match list().iter().find(|name| !fields.contains_key(name.as_str().unwrap())) {
                    Some(name) => wrong(format!("{name} is missing")),
                    None => Ok(()),
                },
                None => Ok(()),
            },
            "properties" => {
                let (Some(fields), Some(known)) = (value.as_object(), says.as_object()) else { return Ok(()) };
                for (name, field) in fields {
                    if let Some(schema) = known.get(name) {
                        self.against(schema, field, &format!("{place}/{name}"))?;
                    }
                }
                Ok(())
            }
            "additionalProperties" => {
                let known = words.get("properties").and_then(Value::as_object);
                for (name, field) in value.as_object().into_iter().flatten() {
                    if !known.is_some_and(|known| known.contains_key(name)) {
                        self.against(says, field, &format!("{place}/{name}"))?;
                    }
                }
                Ok(())
            }
            "propertyNames" => {
                assert_eq!(says["pattern"], "^[a-z][a-z0-9_]*$");
                let is_name = |name: &&String| {
                    name.starts_with(|c: char| c.is_ascii_lowercase())
                        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
                };
                match value.as_object().into_iter().flat_map(|fields| fields.keys()).find(|name| !is_name(name)) {
                    Some(name) => wrong(format!("{name} is no name")),
                    None => Ok(()),
                }
            }
            "items" => {
                for (nth, item) in value.as_array().into_iter().flatten().enumerate() {
                    self.against(says, item, &format!("{place}/{nth}"))?;
                }
                Ok(())
            }
            "minimum" | "maximum" => {
                let (Some(number), Some(bound)) = (value.as_f64(), says.as_f64()) else { return Ok(()) };
                let holds = if word == "minimum" { number >= bound } else { number <= bound };
                if holds { Ok(()) } else { wrong(format!("{value} is beyond the {word} {says}")) }
            }
            "minLength" | "maxLength" => {
                let (Some(text), Some(bound)) = (value.as_str(), says.as_u64()) else { return Ok(()) };
                let length = text.chars().count() as u64;
                let holds = if word == "minLength" { length >= bound } else { length <= bound };
                if holds { Ok(()) } else { wrong(format!("{value} is beyond the {word} {says}")) }
            }
            unknown => panic!("{place}: this validator does not know `{unknown}`"),
        }
    }
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        unknown => panic!("no type `{unknown}`"),
    }
}

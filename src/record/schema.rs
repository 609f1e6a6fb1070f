//! The JSON Schema of all records, made from the same types that write and read them.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{Command, Data, FORMAT, Finding, Gap, Reply, Server, Session, Start, Stats, Summary, TlsEvent};

/// The schema of one record, whichever it is (JSON Schema 2020-12).
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let records = [
        ("start", of::<Start>(&mut generator)),
        ("finding", of::<Finding>(&mut generator)),
        ("session", of::<Session>(&mut generator)),
        ("command", of::<Command>(&mut generator)),
        ("reply", of::<Reply>(&mut generator)),
        ("data", of::<Data>(&mut generator)),
        ("tls", of::<TlsEvent>(&mut generator)),
        ("gap", of::<Gap>(&mut generator)),
        ("server", of::<Server>(&mut generator)),
        ("stats", of::<Stats>(&mut generator)),
        ("summary", of::<Summary>(&mut generator)),
    ];
    let one_of: Vec<Value> = records.iter().map(|(name, _)| json!({ "$ref": format!("#/$defs/{name}") })).collect();
    let mut definitions: Map<String, Value> = generator.take_definitions(true);
    definitions.extend(records.map(|(name, schema)| (name.to_owned(), tagged(name, schema))));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("One record of mailtap, format {FORMAT}"),
        "oneOf": one_of,
        "$defs": definitions,
    })
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    T::json_schema(generator).into()
}

/// The same with the record's type in front.
fn tagged(name: &str, mut schema: Value) -> Value {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        let fields = std::mem::take(properties);
        properties.insert("type".to_owned(), json!({ "const": name }));
        properties.extend(fields);
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.insert(0, "type".into());
    }
    schema
}

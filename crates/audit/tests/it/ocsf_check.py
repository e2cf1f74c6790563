"""Validates OCSF events (one a line) against the schema of OCSF 1.8.0."""
import json, sys
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

schema = OcsfJsonSchemaEmbedded(get_ocsf_schema("1.8.0"))
validators, count, bad = {}, 0, 0
for line in sys.stdin:
    event = json.loads(line)
    profiles = event["metadata"].get("profiles", [])
    key = (event["class_uid"], tuple(profiles))
    if key not in validators:
        name = schema.lookup_class_name_from_uid(event["class_uid"])
        validators[key] = Draft202012Validator(schema.get_class_schema(name, profiles))
    for error in validators[key].iter_errors(event):
        bad += 1
        print(event["metadata"]["event_code"], "/".join(map(str, error.path)), error.message[:200])
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    count += 1
print(f"{count} events, {bad} errors")

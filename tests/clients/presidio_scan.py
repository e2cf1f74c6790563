"""Labelled texts in, what Presidio finds in them out, one JSON object a line each; for `cargo xtask bench inspect`.

Presidio in its best Japanese configuration that needs no code: GiNZA's model, its labels mapped, and every generic
recogniser switched on for Japanese. With `hironsan` as argument it writes the sentences of that corpus with the
persons in them instead.
"""

import json
import sys

# What GiNZA calls things that we look for (Sekine's extended named entities).
LABELS = {
    "Person": "PERSON",
    "Postal_Address": "ADDRESS",
    "Phone_Number": "PHONE",
    "Email": "EMAIL",
    "Province": "ADDRESS",
    "City": "ADDRESS",
    "County": "ADDRESS",
    "GPE_Other": "ADDRESS",
    "Date": "DATE_TIME",
}
TYPES = {
    "PERSON": "PERSON",
    "ADDRESS": "ADDRESS",
    "PHONE": "PHONE",
    "PHONE_NUMBER": "PHONE",
    "EMAIL": "EMAIL",
    "EMAIL_ADDRESS": "EMAIL",
    "CREDIT_CARD": "CREDIT_CARD",
    "IP_ADDRESS": "IP_ADDRESS",
    "DATE_TIME": "DOB",
}


def analyzer():
    import spacy
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
    from presidio_analyzer.predefined_recognizers import (
        CreditCardRecognizer,
        EmailRecognizer,
        IpRecognizer,
        PhoneRecognizer,
        SpacyRecognizer,
    )

    # The list that comes with it: nothing is fetched.
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=())

    class Ginza(SpacyNlpEngine):
        def __init__(self):
            super().__init__(
                ner_model_configuration=NerModelConfiguration(
                    model_to_presidio_entity_mapping=LABELS,
                    labels_to_ignore=[],
                    low_score_entity_names=[],
                )
            )
            self.nlp = {"ja": spacy.load("ja_ginza")}

    registry = RecognizerRegistry(supported_languages=["ja"])
    entities = sorted(set(LABELS.values()))
    registry.add_recognizer(SpacyRecognizer(supported_language="ja", supported_entities=entities))
    for recognizer in (CreditCardRecognizer, EmailRecognizer, IpRecognizer):
        registry.add_recognizer(recognizer(supported_language="ja"))
    registry.add_recognizer(PhoneRecognizer(supported_language="ja", supported_regions=["JP"]))
    return AnalyzerEngine(registry=registry, nlp_engine=Ginza(), supported_languages=["ja"])


def scan():
    engine = analyzer()
    for line in sys.stdin:
        text = json.loads(line)
        found = [
            {"type": TYPES[one.entity_type], "start": one.start, "end": one.end}
            for one in engine.analyze(text["text"], language="ja")
            if one.entity_type in TYPES
        ]
        print(json.dumps({"id": text["id"], "findings": without_overlaps(found)}))


def without_overlaps(found):
    """Two recognisers that find the same count once: the longer span of a type."""
    kept = []
    for one in sorted(found, key=lambda one: one["start"] - one["end"]):
        if all(
            one["type"] != other["type"]
            or one["end"] <= other["start"]
            or other["end"] <= one["start"]
            for other in kept
        ):
            kept.append(one)
    return kept


def hironsan():
    import pathlib

    import hironsan as package

    corpus = pathlib.Path(package.__file__).parent / "corpus" / "iob_sents.txt"
    sentences = corpus.read_text(encoding="utf8").split("\n\n")
    for number, sentence in enumerate(sentences):
        text, spans, start = "", [], None
        for line in filter(None, sentence.split("\n")):
            cells = line.split("\t")
            if cells[-1] != "I-PSN" and start is not None:
                spans.append((start, len(text)))
                start = None
            if cells[-1] == "B-PSN":
                start = len(text)
            text += cells[0]
        if start is not None:
            spans.append((start, len(text)))
        persons = [{"type": "PERSON", "start": start, "end": end} for start, end in spans]
        line = {"id": f"prose-{number}", "set": "prose", "text": text, "spans": persons}
        if text:
            print(json.dumps(line, ensure_ascii=False))


if __name__ == "__main__":
    hironsan() if sys.argv[1:] == ["hironsan"] else scan()

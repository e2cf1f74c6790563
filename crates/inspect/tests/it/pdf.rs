//! PDF documents: what people see in them is found, and what can't be told is said so (DATA-1).

use miniz_oxide::deflate::compress_to_vec_zlib;
use sekimori_inspect::{FileError, Format, Scanner, read_file};

/// A file of objects: each is `(number, dictionary, stream)`.
fn pdf(objects: &[(u32, String, Option<Vec<u8>>)]) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n".to_vec();
    for (number, dict, stream) in objects {
        file.extend(format!("{number} 0 obj\n").bytes());
        match stream {
            None => file.extend(dict.bytes()),
            Some(bytes) => {
                let length = bytes.len();
                file.extend(format!("<< /Length {length} {dict} >>\nstream\n").bytes());
                file.extend(bytes);
                file.extend(b"\nendstream");
            }
        }
        file.extend(b"\nendobj\n");
    }
    file.extend(b"trailer << /Root 1 0 R >>\n%%EOF\n");
    file
}

fn packed(text: &str) -> Vec<u8> {
    compress_to_vec_zlib(text.as_bytes(), 6)
}

/// A page that shows `content`, with the font `F1`.
fn page(font: &str, content: &str, more: &[(u32, &str, Option<Vec<u8>>)]) -> Vec<u8> {
    let mut objects = vec![
        (1, "<< /Type /Catalog /Pages 2 0 R >>".to_owned(), None),
        (
            2,
            "<< /Type /Pages /Kids [3 0 R] /Count 1 /Resources << /Font << /F1 5 0 R >> /XObject << /Im1 8 0 R >> >> >>"
                .to_owned(),
            None,
        ),
        (3, "<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>".to_owned(), None),
        (4, "/Filter /FlateDecode".to_owned(), Some(packed(content))),
        (5, font.to_owned(), None),
    ];
    let more = more.iter();
    objects
        .extend(more.map(|(number, dict, stream)| (*number, (*dict).to_owned(), stream.clone())));
    pdf(&objects)
}

const LATIN: &str =
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>";
const SHIFT_JIS: &str = "<< /Type /Font /Subtype /Type0 /BaseFont /Gothic /Encoding /90ms-RKSJ-H /DescendantFonts [] >>";
const BY_TABLE: &str = "<< /Type /Font /Subtype /Type0 /BaseFont /ABCDEF+Mincho /Encoding /Identity-H \
     /DescendantFonts [6 0 R] /ToUnicode 7 0 R >>";
const BELOW: &str = "<< /Type /Font /Subtype /CIDFontType2 /DW 1000 /W [1 [500 500]] >>";
const NO_TABLE: &str = "<< /Type /Font /Subtype /Type0 /BaseFont /ABCDEF+Mincho /Encoding /Identity-H \
     /DescendantFonts [] >>";

fn text(file: &[u8]) -> String {
    let read = read_file(file).unwrap();
    assert_eq!(read.format, Format::Pdf);
    read.text
}

#[test]
fn what_pages_show_is_read_in_order() {
    let content = "BT /F1 12 Tf 72 700 Td (Card 4111-1111-) Tj [(1111-) 20 (1111)] TJ 0 -14 Td (Tel:) Tj \
                   200 0 Td (03-1234-5678) Tj T* ET";
    let text = text(&page(LATIN, content, &[]));
    assert!(
        text.contains("Card 4111-1111-1111-1111\nTel: 03-1234-5678"),
        "{text}"
    );
}

#[test]
fn japanese_is_read_by_encoding_and_by_table() {
    // 「電話」
    let by_encoding = page(
        SHIFT_JIS,
        "BT /F1 10 Tf <93649862> Tj (03-1234-5678) Tj ET",
        &[],
    );
    assert!(text(&by_encoding).contains("電話03-1234-5678"));
    let table = "/CIDInit /ProcSet findresource begin 1 begincodespacerange <0000> <FFFF> endcodespacerange \
                 2 beginbfchar <0003> <5C71> <0004> <7530> endbfchar 1 beginbfrange <0010> <0019> <0030> endbfrange";
    let more = [
        (6, BELOW, None),
        (7, "/Filter [/FlateDecode]", Some(packed(table))),
    ];
    // One code at a time, each moved to its place: still one word.
    let content = "BT /F1 10 Tf 1 0 0 1 50 700 Tm <0003> Tj 1 0 0 1 60 700 Tm <0004> Tj ET BT /F1 10 Tf \
                   1 0 0 1 50 680 Tm <001000110012> Tj ET";
    assert!(text(&page(BY_TABLE, content, &more)).contains("山田\n012"));
}

#[test]
fn object_streams_forms_notes_and_older_versions_are_read() {
    let inner = "10 0 11 57 ";
    let body = format!(
        "{:<57}{}",
        "<< /Type /Annot /Contents (taro.yamada@example.co.jp) >>", "<< /Title (one) >>"
    );
    let stream = Some(packed(&format!("{inner}{body}")));
    let dict = format!(
        "/Type /ObjStm /N 2 /First {} /Filter /FlateDecode",
        inner.len()
    );
    let form = "/Subtype /Form /Resources << /Font << /F9 5 0 R >> >>";
    let shown = b"BT /F9 9 Tf (in a form) Tj ET".to_vec();
    let more = [
        (9, dict.as_str(), stream),
        (12, form, Some(shown)),
        (13, "<< /T (name) /V <FEFF5C717530592A90CE> >>", None),
        (13, "<< /T (name) /V () >>", None),
    ];
    let text = text(&page(LATIN, "BT /F1 9 Tf (x) Tj ET", &more));
    for part in ["taro.yamada@example.co.jp", "one", "in a form", "山田太郎"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(
        Scanner::new()
            .scan(&text)
            .iter()
            .any(|found| found.kind.as_str() == "EMAIL")
    );
}

#[test]
fn what_can_not_be_told_is_not_readable() {
    let shows = "BT /F1 10 Tf <00030004> Tj ET";
    let picture = (8, "/Subtype /Image /Width 1 /Height 1", Some(vec![0]));
    let other = (8, "<< /Type /Filespec /EF << /F 9 0 R >> >>", None);
    let predictor =
        "/Type /ObjStm /N 1 /First 4 /Filter /FlateDecode /DecodeParms << /Predictor 12 >>";
    for (why, file) in [
        (
            "a font that does not say what it shows",
            page(NO_TABLE, shows, &[]),
        ),
        ("no font", page(LATIN, "BT /F2 9 Tf (x) Tj ET", &[])),
        (
            "a scanned page",
            page(LATIN, "q 1 0 0 1 0 0 cm /Im1 Do Q", &[picture]),
        ),
        (
            "an attached file",
            page(LATIN, "BT /F1 9 Tf (x) Tj ET", &[other]),
        ),
        (
            "a filter we have not",
            page(
                LATIN,
                "BT /F1 9 Tf (x) Tj ET",
                &[(9, predictor, Some(packed("1 0 <<>>")))],
            ),
        ),
        (
            "encryption",
            page(
                LATIN,
                "BT /F1 9 Tf (x) Tj ET",
                &[(9, "<< /Encrypt 10 0 R >>", None)],
            ),
        ),
        (
            "no page",
            b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n".to_vec(),
        ),
        ("nothing", b"%PDF-".to_vec()),
    ] {
        assert_eq!(read_file(&file), Err(FileError::Pdf), "{why}");
    }
}

#[test]
fn bombs_are_bounded() {
    let huge = "BT ".repeat(4_000_000);
    let deep = format!("<< /A {}{} >>", "[".repeat(200_000), "]".repeat(200_000));
    let within = format!("<< /A {} >>", "1 0 obj [ ".repeat(200_000));
    let many = "1 ".repeat(5_000_000);
    let ring = "<< /Type /Page /Parent 3 0 R /Contents 4 0 R >>";
    let content = "BT /F1 9 Tf (x) Tj ET";
    for (what, file) in [
        ("a stream that unpacks to 12 MB", page(LATIN, &huge, &[])),
        ("lists in lists", page(LATIN, content, &[(9, &deep, None)])),
        (
            "objects in objects",
            page(LATIN, content, &[(9, &within, None)]),
        ),
        (
            "five million numbers",
            page(LATIN, content, &[(9, &format!("[{many}]"), None)]),
        ),
    ] {
        assert_eq!(read_file(&file), Err(FileError::Pdf), "{what}");
    }
    let mut circle = page(LATIN, content, &[]);
    circle.extend(format!("3 0 obj\n{ring}\nendobj\n").bytes());
    assert_eq!(
        read_file(&circle),
        Err(FileError::Pdf),
        "a page that is its own parent"
    );
}

#[test]
fn truncation_and_damage_never_panic() {
    let file = page(
        SHIFT_JIS,
        "BT /F1 10 Tf <93649862> Tj (03-1234-5678) Tj ET",
        &[],
    );
    for end in 0..file.len() {
        let _text_or_none = read_file(&file[..end]);
        let mut damaged = file.clone();
        damaged[end] ^= 0x55;
        let _text_or_none = read_file(&damaged);
    }
}

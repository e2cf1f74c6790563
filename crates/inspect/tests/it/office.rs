//! Office documents: their text, their labels, and archives that are none.

use miniz_oxide::deflate::compress_to_vec;
use proptest::prelude::*;
use sekimori_inspect::read_file;

/// Largest part of a document that is unpacked.
const PART_BYTES_MAX: usize = 8 * 1024 * 1024;

fn read(bytes: &[u8]) -> Option<String> {
    read_file(bytes).ok().map(|found| found.text)
}

/// An archive of these files.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    let mut last: (&[u8], Vec<u8>) = (b"", Vec::new());
    for (name, content) in files {
        if last.1.is_empty() || last.0 != *content {
            last = (content, compress_to_vec(content, 1));
        }
        let packed = last.1.as_slice();
        let sizes = |to: &mut Vec<u8>| {
            to.extend([0; 4]); // checksum, not looked at
            to.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
            to.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
            to.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
            to.extend([0; 2]);
        };
        directory.extend(*b"PK\x01\x02");
        directory.extend([20, 0, 20, 0, 0, 0, 8, 0, 0, 0, 0, 0]);
        sizes(&mut directory);
        directory.extend([0; 10]);
        directory.extend(u32::try_from(out.len()).unwrap().to_le_bytes());
        directory.extend(name.as_bytes());
        out.extend(*b"PK\x03\x04");
        out.extend([20, 0, 0, 0, 8, 0, 0, 0, 0, 0]);
        sizes(&mut out);
        out.extend(name.as_bytes());
        out.extend(packed);
    }
    let (start, count) = (out.len(), u16::try_from(files.len()).unwrap());
    out.extend(&directory);
    out.extend(*b"PK\x05\x06");
    out.extend([0; 4]);
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    out.extend(u32::try_from(start).unwrap().to_le_bytes());
    out.extend([0; 2]);
    out
}

#[test]
fn runs_are_joined_and_labels_told() {
    let document = "<w:p><w:r><w:t>電話は090-12</w:t></w:r><w:r><w:t>34-5678 &amp; 他</w:t></w:r></w:p><w:p>次</w:p>";
    let custom = "<property name=\"MSIP_Label_1_Name\"><vt:lpwstr>社外秘</vt:lpwstr></property>";
    let docx = archive(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("docProps/custom.xml", custom.as_bytes()),
        ("word/document.xml", document.as_bytes()),
    ]);
    assert_eq!(
        read(&docx).unwrap().trim_end(),
        "[社外秘]\n電話は090-1234-5678 & 他\n次"
    );
    let kinds: Vec<_> = sekimori_inspect::Scanner::new()
        .scan(&read(&docx).unwrap())
        .iter()
        .map(|found| found.kind.as_str())
        .collect();
    assert_eq!(kinds, ["CLASSIFICATION", "PHONE"]);
}

#[test]
fn sheets_are_tables() {
    let shared = "<sst><si><t>氏名</t></si><si><t>口座番号</t></si><si><t>山田太郎</t></si></sst>";
    let sheet = "<row><c t=\"s\"><v>0</v></c><c t=\"s\"><v>1</v></c></row><row><c t=\"s\"><v>2</v></c><c><v>1234567</v></c></row>";
    let xlsx = archive(&[
        ("xl/sharedStrings.xml", shared.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ]);
    assert_eq!(read(&xlsx).unwrap(), "氏名\t口座番号\n山田太郎\t1234567\n");
}

#[test]
fn text_outside_the_main_part_is_read_and_embedded_files_are_not() {
    let slide = b"<p:sld><a:p><a:t>slide</a:t></a:p></p:sld>".as_slice();
    let rels =
        b"<Relationship Id=\"1\" Target=\"mailto:taro@example.co.jp\" TargetMode=\"External\"/>";
    let files: Vec<(&str, &[u8])> = vec![
        ("ppt/slides/slide1.xml", slide),
        ("ppt/comments/comment1.xml", b"<p:text>note</p:text>"),
        (
            "docProps/core.xml",
            "<dc:creator>山田太郎</dc:creator>".as_bytes(),
        ),
        ("ppt/slides/_rels/slide1.xml.rels", rels),
    ];
    let text = read(&archive(&files)).unwrap();
    for part in ["slide", "note", "山田太郎", "taro@example.co.jp"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    for hidden in ["ppt/embeddings/sheet1.xlsx", "word/vbaProject.bin"] {
        let mut files = files.clone();
        files.push((hidden, b"anything"));
        assert_eq!(read(&archive(&files)), None, "{hidden}");
    }
}

#[test]
fn bombs_and_other_archives_are_not_read() {
    let zeros = vec![b'0'; PART_BYTES_MAX + 1];
    assert_eq!(read(&archive(&[("word/document.xml", &zeros)])), None);
    let many = vec![b'1'; PART_BYTES_MAX - 1];
    let parts: Vec<String> = (0..5).map(|part| format!("word/part{part}.xml")).collect();
    let files: Vec<(&str, &[u8])> = parts.iter().map(|name| (name.as_str(), &*many)).collect();
    assert_eq!(read(&archive(&files)), None);
    assert_eq!(read(&archive(&[("readme.txt", b"hello")])), None);
    // One long string in very many cells.
    let long = format!("<si><t>{}</t></si>", "長".repeat(200_000));
    let cells = "<c t=\"s\"><v>0</v></c>".repeat(1_000);
    let quoted = archive(&[
        ("xl/sharedStrings.xml", long.as_bytes()),
        ("xl/worksheets/sheet1.xml", cells.as_bytes()),
    ]);
    assert_eq!(read(&quoted), None);
}

proptest! {
    #[test]
    fn anything_is_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0_usize..300, flip: u8) {
        let _none = read(&[b"PK\x03\x04".as_slice(), &bytes].concat());
        let mut broken = archive(&[("word/document.xml", b"<w:p>a</w:p>")]);
        let at = at % broken.len();
        broken[at] ^= flip;
        let _read_or_none = read(&broken);
    }
}

//! `scan_jsonl < texts.jsonl > findings.jsonl`

fn main() -> Result<(), sekimori_inspect::ScanLinesError> {
    let scanner = sekimori_inspect::Scanner::new();
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    sekimori_inspect::scan_jsonl(&scanner, input, std::io::BufWriter::new(output)).map(|_| ())
}

//! Check digits of Japanese and international numbers. All take the digits with the check digit in place.

/// マイナンバー: 12 digits, modulus 11, the last is the check digit.
pub(crate) fn my_number(digits: &[u8]) -> bool {
    let [body @ .., check] = digits else {
        return false;
    };
    if body.len() != 11 {
        return false;
    }
    let sum: u32 = body
        .iter()
        .rev()
        .zip((2..=7).chain(2..=6))
        .map(|(digit, weight)| u32::from(*digit) * weight)
        .sum();
    let rest = sum % 11;
    u32::from(*check) == if rest <= 1 { 0 } else { 11 - rest }
}

/// 法人番号: 13 digits, modulus 9, the first is the check digit.
pub(crate) fn corporate_number(digits: &[u8]) -> bool {
    let [check, body @ ..] = digits else {
        return false;
    };
    if body.len() != 12 {
        return false;
    }
    let sum: u32 = body
        .iter()
        .rev()
        .zip([1, 2].into_iter().cycle())
        .map(|(digit, weight)| u32::from(*digit) * weight)
        .sum();
    u32::from(*check) == 9 - sum % 9
}

/// 運転免許証番号: 12 digits, the 11th is the check digit. Not official, but holds for all known cards.
pub(crate) fn drivers_license(digits: &[u8]) -> bool {
    let (Some(body), Some(check), 12) = (digits.get(..10), digits.get(10), digits.len()) else {
        return false;
    };
    let weights = [5, 4, 3, 2, 7, 6, 5, 4, 3, 2];
    let sum: u32 = body
        .iter()
        .zip(weights)
        .map(|(digit, weight)| u32::from(*digit) * weight)
        .sum();
    u32::from(*check) == (11 - sum % 11) % 10
}

/// Luhn: payment cards, 保険者番号.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(*digit);
            let double = digit * 2;
            if place % 2 == 0 {
                digit
            } else if double > 9 {
                double - 9
            } else {
                double
            }
        })
        .sum();
    !digits.is_empty() && sum.is_multiple_of(10)
}

/// EAN-13, the code of goods (JAN).
pub(crate) fn ean13(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .zip([1, 3].into_iter().cycle())
        .map(|(d, weight)| u32::from(*d) * weight)
        .sum();
    digits.len() == 13 && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|b| b - b'0').collect()
    }

    #[test]
    fn published_examples_hold() {
        // National Tax Agency's own corporate number and a published sample of a My Number.
        assert!(corporate_number(&digits("7000012050002")));
        assert!(!corporate_number(&digits("6000012050002")));
        assert!(my_number(&digits("123456789018")));
        assert!(!my_number(&digits("123456789012")));
        assert!(luhn(&digits("4111111111111111")));
        assert!(!luhn(&digits("4111111111111112")));
        assert!(ean13(&digits("4901234567894")));
    }

    #[test]
    fn one_wrong_digit_never_passes_luhn() {
        let good = digits("4111111111111111");
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] = (bad[place] + 1) % 10;
            assert!(!luhn(&bad));
        }
    }

    #[test]
    fn other_lengths_never_pass() {
        for wrong in ["", "1", "12345678901", "12345678901234"] {
            assert!(!my_number(&digits(wrong)));
            assert!(!corporate_number(&digits(wrong)));
            assert!(!drivers_license(&digits(wrong)));
            assert!(!ean13(&digits(wrong)));
        }
    }
}

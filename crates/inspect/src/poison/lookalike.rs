//! Names of tools that are written to be taken for another's: `send_emai1` beside `send_email`.

/// What people take a name for: letters that look alike are one, and what separates words is left out.
pub(super) fn skeleton(name: &str) -> String {
    let letters: String = plain(name).chars().map(look).collect();
    // Two letters that look like one.
    letters
        .replace("rn", "m")
        .replace("vv", "w")
        .replace("cl", "d")
}

/// A name as it is meant: the case and what separates words are habits of writing.
pub(super) fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-' | '.' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

/// The letter that `c` looks like.
fn look(c: char) -> char {
    match c {
        '0' | 'о' | 'ο' | 'օ' => 'o',
        '1' | 'i' | '|' | 'і' | 'ι' | 'ӏ' | 'ı' => 'l',
        '5' | 'ѕ' => 's',
        'а' | 'α' => 'a',
        'е' | 'ё' => 'e',
        'р' | 'ρ' => 'p',
        'с' => 'c',
        'у' | 'γ' => 'y',
        'х' | 'χ' => 'x',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'ν' => 'v',
        'ԁ' => 'd',
        'һ' => 'h',
        'ո' => 'n',
        'т' | 'τ' => 't',
        'м' => 'm',
        'в' => 'b',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_look_alike_are_one() {
        for (one, other) in [
            ("send_email", "send_emai1"),
            ("send_email", "send_emaiI"),
            ("confirm_order", "confirrn_order"),
            ("delete_record", "dеlete_record"),
            ("forward", "forvvard"),
        ] {
            assert_eq!(skeleton(one), skeleton(other), "{one} {other}");
            assert_ne!(plain(one), plain(other), "{one} {other}");
        }
        for (one, other) in [("list_user", "list_users"), ("get_item", "set_item")] {
            assert_ne!(skeleton(one), skeleton(other), "{one} {other}");
        }
        assert_eq!(plain("sendMail"), plain("send_mail"));
    }
}

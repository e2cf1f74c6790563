//! Names of other countries in Latin letters: a given name or a family name that many bear there, and what follows it.
//! Names that are words or places as well are not in the lists: `Mark`, `Will`, `Paris`, `Jordan`.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::text::Folded;

/// Given names, in lower case.
#[rustfmt::skip]
const GIVEN: &[&str] = &[
    // English and what is usual in English
    "aaron", "adam", "adrian", "alan", "albert", "alex", "alexander", "alexandra", "alexis", "alfred", "alice", "alicia", "alison", "allison", "amanda", "amelia", "amy", "andrea", "andrew", "andy", "angela", "angie", "anita", "anna", "anne", "annie", "anthony", "antony", "arthur", "ashley", "audrey", "barbara", "barry", "beatrice", "becky", "benjamin", "bernard", "beth", "betty", "bobby", "brandon", "brenda", "brian", "bridget", "bruce", "bryan", "caitlin", "cameron", "carl", "carla", "carol", "caroline", "carolyn", "catherine", "cathy", "charles", "charlie", "cheryl", "chloe", "chris", "christina", "christine", "christopher", "cindy", "claire", "clara", "colin", "connor", "craig", "curtis", "cynthia", "daisy", "daniel", "danielle", "danny", "darren", "david", "deborah", "debra", "denise", "dennis", "derek", "diana", "diane", "donald", "donna", "doris", "dorothy", "douglas", "dylan", "eddie", "edgar", "edith", "edward", "edwin", "eileen", "elaine", "eleanor", "elena", "elisabeth", "elizabeth", "ella", "ellen", "emily", "emma", "eric", "erica", "erik", "erin", "ethan", "eugene", "eva", "evan", "evelyn", "fiona", "frances", "francis", "fred", "frederick", "gabriel", "gary", "gavin", "geoffrey", "george", "gerald", "gilbert", "gloria", "gordon", "graham", "greg", "gregory", "hannah", "harold", "harriet", "harry", "harvey", "heather", "helen", "henry", "herbert", "howard", "hugh", "ian", "irene", "isaac", "isabel", "isabella", "jacob", "jacqueline", "james", "jamie", "jane", "janet", "janice", "jason", "jeff", "jeffrey", "jennifer", "jenny", "jeremy", "jerome", "jesse", "jessica", "jill", "jim", "joan", "joanna", "joel", "john", "jonathan", "joseph", "joshua", "joyce", "judith", "judy", "julia", "julian", "julie", "justin", "karen", "kate", "katherine", "kathleen", "kathryn", "katie", "keith", "kelly", "ken", "kenneth", "kevin", "kimberly", "kyle", "larry", "laura", "lauren", "lawrence", "leah", "leonard", "leslie", "lewis", "liam", "linda", "lisa", "logan", "lorraine", "louis", "louise", "lucas", "lucy", "luke", "lynn", "maggie", "marcus", "margaret", "maria", "marie", "marilyn", "marion", "martha", "martin", "mary", "matthew", "maureen", "megan", "melanie", "melissa", "michael", "michelle", "mike", "molly", "monica", "nancy", "naomi", "natalie", "natasha", "nathan", "neil", "nicholas", "nick", "nicole", "nigel", "nina", "noah", "nora", "norman", "oliver", "olivia", "oscar", "owen", "pamela", "patricia", "patrick", "paul", "paula", "pauline", "peter", "philip", "phillip", "phoebe", "rachel", "ralph", "raymond", "rebecca", "richard", "rita", "robert", "robin", "roger", "ronald", "rosemary", "roy", "russell", "ruth", "ryan", "sally", "samantha", "samuel", "sandra", "sara", "sarah", "scott", "sean", "sharon", "shaun", "sheila", "shirley", "simon", "sophia", "sophie", "stanley", "stella", "stephanie", "stephen", "steve", "steven", "stuart", "susan", "suzanne", "sylvia", "teresa", "terry", "theodore", "theresa", "thomas", "tiffany", "timothy", "tina", "toby", "tommy", "tony", "tracy", "trevor", "tyler", "valerie", "vanessa", "veronica", "victor", "vincent", "virgil", "vivian", "walter", "wendy", "wesley", "william", "yvonne", "zachary", "zoe",
    // German, Dutch, Nordic
    "anders", "andreas", "anja", "annika", "astrid", "axel", "bengt", "birgit", "bjorn", "carsten", "christoph", "claudia", "dieter", "dirk", "elke", "erika", "ernst", "felix", "florian", "frank", "franz", "freja", "friedrich", "gerhard", "gerrit", "gunther", "gustav", "hans", "hendrik", "henrik", "heidi", "heike", "helmut", "horst", "ingrid", "jens", "joachim", "johan", "johanna", "johannes", "jonas", "jorg", "jurgen", "karin", "karsten", "katja", "katrin", "klaus", "kristian", "kristina", "lars", "lena", "linnea", "lukas", "magnus", "manfred", "marieke", "markus", "marten", "matthias", "mattias", "mikael", "mikko", "monika", "nils", "niels", "nikolaus", "olaf", "oskar", "otto", "petra", "pieter", "rainer", "rolf", "rudolf", "rutger", "sabine", "sander", "sebastian", "sigrid", "silke", "sofia", "sofie", "solveig", "stefan", "stefanie", "susanne", "sven", "svenja", "thorsten", "tobias", "torsten", "ulf", "ulrich", "ursula", "uwe", "werner", "wilhelm", "willem", "wolfgang",
    // French, Italian, Spanish, Portuguese
    "agnes", "alain", "alejandra", "alejandro", "alessandra", "alessandro", "alfonso", "alvaro", "amelie", "antoine", "antonio", "arnaud", "aurelie", "beatriz", "benoit", "bianca", "bruno", "camila", "camille", "carlo", "carlos", "carmen", "catalina", "cecile", "celine", "chiara", "clement", "cristina", "cristiano", "diego", "eduardo", "elodie", "emilie", "enrique", "enzo", "esteban", "etienne", "fabio", "fabrice", "federica", "federico", "felipe", "fernanda", "fernando", "francesca", "francesco", "francisco", "francois", "francoise", "gabriela", "gael", "giovanni", "giulia", "giuseppe", "gonzalo", "guillaume", "gustavo", "helene", "henri", "hugo", "ignacio", "isabelle", "jacques", "javier", "jean", "jeanne", "jerome", "joao", "joaquin", "jorge", "jose", "juan", "juliette", "julien", "laurent", "leonardo", "lorenzo", "luca", "lucia", "luciana", "luis", "luisa", "luiz", "manuel", "marcela", "marcelo", "marco", "margot", "mariana", "mario", "martina", "mateo", "mathieu", "matteo", "maurice", "mauricio", "maxime", "miguel", "monique", "nathalie", "nicolas", "olivier", "pablo", "paola", "paolo", "pascal", "paulo", "pedro", "philippe", "pierre", "rafael", "ramon", "raul", "remy", "renata", "rene", "ricardo", "roberto", "rodrigo", "sergio", "silvia", "simone", "stephane", "sylvie", "thiago", "thierry", "tomas", "valentina", "valeria", "veronique", "vicente", "xavier", "yann", "yves",
    // Slavic, Greek, Hungarian, Romanian, Baltic
    "agata", "agnieszka", "aleksandr", "aleksandra", "aleksei", "alexei", "anastasia", "andrei", "andrej", "andrzej", "anton", "attila", "bartosz", "bogdan", "boris", "bozena", "daria", "dariusz", "denis", "dimitri", "dimitrios", "dmitri", "dmitry", "ekaterina", "elzbieta", "evgeny", "galina", "georgios", "grzegorz", "gyorgy", "igor", "ilya", "ioana", "irina", "istvan", "ivan", "iwona", "jakub", "janos", "jaroslav", "jerzy", "jiri", "justyna", "kamil", "kasia", "katarzyna", "kirill", "konstantin", "krzysztof", "ksenia", "larisa", "laszlo", "ludmila", "lukasz", "maciej", "magdalena", "malgorzata", "marek", "marcin", "mariusz", "maxim", "mihai", "mikhail", "milos", "miroslav", "nadia", "natalia", "nikita", "nikolai", "nikos", "oksana", "oleg", "oleksandr", "olga", "ondrej", "pavel", "pawel", "piotr", "polina", "radoslaw", "ruslan", "sergei", "sergey", "serhii", "slawomir", "stanislav", "svetlana", "tatiana", "tomasz", "vadim", "vaclav", "valentin", "vasily", "viktor", "viktoria", "vitaly", "vladimir", "vladislav", "volodymyr", "wojciech", "yana", "yulia", "yuri", "zbigniew", "zoltan", "zuzana",
    // Arabic, Persian, Turkish, Hebrew
    "aaliyah", "abdul", "abdullah", "ahmad", "ahmed", "aisha", "ali", "alireza", "amina", "amir", "avi", "ayse", "bilal", "burak", "elif", "emre", "fatima", "fatma", "farah", "faisal", "hamza", "hasan", "hassan", "hossein", "huseyin", "hussein", "ibrahim", "imran", "ismail", "jamal", "kareem", "karim", "khaled", "khalid", "layla", "leila", "mahmoud", "mehmet", "mohamed", "mohammad", "mohammed", "mona", "moshe", "muhammad", "murat", "mustafa", "nasser", "noor", "omar", "osman", "rania", "rashid", "reza", "saeed", "salim", "salma", "samir", "sami", "tariq", "yasmin", "yossi", "youssef", "yusuf", "zahra", "zainab", "zeynep",
    // South Asia
    "aditya", "ajay", "akash", "amit", "anand", "ananya", "anil", "anjali", "ankit", "arjun", "arun", "ashok", "deepa", "deepak", "divya", "ganesh", "gaurav", "geeta", "gopal", "harish", "harsh", "karthik", "kavita", "kiran", "krishna", "lakshmi", "mahesh", "manish", "manoj", "meera", "mohan", "mukesh", "naveen", "neha", "nikhil", "nisha", "pooja", "pradeep", "prakash", "pranav", "prasad", "priya", "priyanka", "rahul", "raj", "rajesh", "rakesh", "ramesh", "ravi", "rohit", "sachin", "sandeep", "sanjay", "sanjeev", "santosh", "shreya", "shyam", "sneha", "srinivas", "sudhir", "sunil", "sunita", "suresh", "swati", "varun", "vijay", "vikas", "vikram", "vinod", "vishal", "vivek",
    // South-east Asia, Africa
    "adebayo", "agus", "amara", "aung", "bambang", "budi", "chidi", "chinedu", "dewi", "eko", "emeka", "fatou", "hendra", "indah", "jomar", "joko", "kwame", "kofi", "mamadou", "ngozi", "nurul", "oluwaseun", "putri", "rina", "rizky", "siti", "somchai", "supaporn", "suharto", "thabo", "wahyu", "yaw", "zin",
];

/// Family names of East and South-east Asia, which stand in front.
#[rustfmt::skip]
const FAMILY: &[&str] = &[
    "nguyen", "tran", "pham", "hoang", "huynh", "phan", "bui", "dang", "duong", "trinh", "truong",
    "chen", "wang", "zhang", "liu", "yang", "huang", "zhao", "zhou", "xu", "guo", "zheng", "xie", "cheng", "jiang", "shen", "zhu", "luo", "liang", "tsai", "hsu", "hsieh", "chang", "cheung", "kwok", "leung", "lau", "tseng",
    "kim", "choi", "jeong", "jung", "kang", "cho", "yoon", "lim", "kwon", "hwang", "ahn", ];

/// Words behind a name that make it the name of something.
#[rustfmt::skip]
const THINGS: &[&str] = &[
    "academy", "access", "act", "agency", "airport", "algorithm", "api", "app", "ave", "avenue", "award", "bank", "bay", "beach", "bot", "bridge", "building", "cafe", "california", "capital", "carolina", "center", "centre", "church", "city", "class", "cloud", "club", "co", "code", "college", "committee", "company", "complete", "corp", "corporation", "council", "county", "court", "cup", "dataset", "day", "design", "disease", "distribution", "division", "drive", "edition", "effect", "engine", "error", "express", "failed", "foods", "football", "foundation", "gallery", "garden", "group", "hall", "high", "hill", "holdings", "hospital", "hotel", "house", "inc", "industries", "institute", "international", "island", "lab", "laboratories", "laboratory", "labs", "lake", "language", "law", "league", "limited", "line", "llc", "ltd", "machine", "mail", "marine", "market", "media", "method", "mode", "model", "morgan", "motors", "mountain", "museum", "object", "office", "panthers", "park", "partners", "peak", "period", "plan", "plaza", "point", "port", "power", "press", "prize", "problem", "project", "protocol", "publishing", "research", "retry", "river", "road", "room", "route", "school", "score", "series", "server", "services", "shop", "singing", "site", "society", "square", "standard", "station", "store", "street", "studio", "studios", "syndrome", "systems", "talk", "team", "technologies", "test", "tests", "texas", "theatre", "theorem", "tower", "town", "trust", "type", "union", "university", "valley", "version", "village", "virginia", "web",
];

/// Words with a capital letter that follow a name without belonging to it.
#[rustfmt::skip]
const OTHERS: &[&str] = &[
    "account", "and", "as", "at", "by", "ceo", "cfo", "chief", "cto", "designer", "developer", "director", "engineer", "for", "from", "has", "head", "in", "is", "lead", "manager", "member", "of", "on", "or", "president", "product", "sales", "senior", "staff", "support", "tel", "the", "to", "vice", "was", "with",
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
];

static NAMES: LazyLock<[HashSet<&'static str>; 4]> =
    LazyLock::new(|| [GIVEN, FAMILY, THINGS, OTHERS].map(|words| words.iter().copied().collect()));

/// Most words of a name.
const WORDS_MAX: usize = 4;

/// The end of a name of another country that begins at `start`.
pub(super) fn name(folded: &Folded, start: usize) -> Option<usize> {
    let [given, family, things, others] = &*NAMES;
    let first = word(folded, start).filter(|end| folded.at(*end) == ' ')?;
    let spelled = lower(folded, start, first);
    let leads = family.contains(spelled.as_str());
    if !leads && !given.contains(spelled.as_str()) {
        return None;
    }
    let (mut end, mut words) = (first, 1);
    while words < WORDS_MAX && folded.at(end) == ' ' {
        // `de`, `van der`, `bin`, `J.`
        let Some(next) = word(folded, end + 1)
            .or_else(|| particle(folded, end + 1))
            .or_else(|| initial(folded, end + 1))
        else {
            break;
        };
        let spelled = lower(folded, end + 1, next);
        if things.contains(spelled.as_str()) {
            return None;
        }
        if others.contains(spelled.as_str()) {
            break;
        }
        (end, words) = (next, words + 1);
    }
    // A particle or an initial ends no name.
    while words > 1 && word_before(folded, end).is_none() {
        end = (start..end).rev().find(|at| folded.at(*at) == ' ')?;
        words -= 1;
    }
    let glued = folded.at(end).is_ascii_alphanumeric() || matches!(folded.at(end), '@' | '_');
    (words > 1 && !glued).then_some(end)
}

/// Whether neither of two words is one that stands beside names or makes them those of things.
pub(super) fn are_names(folded: &Folded, first: (usize, usize), second: (usize, usize)) -> bool {
    let [_, _, things, others] = &*NAMES;
    [first, second].iter().all(|(start, end)| {
        let word = lower(folded, *start, *end);
        !things.contains(word.as_str()) && !others.contains(word.as_str())
    })
}

/// Whether the word is a given name.
pub(super) fn is_given(folded: &Folded, start: usize, end: usize) -> bool {
    let [given, ..] = &*NAMES;
    given.contains(lower(folded, start, end).as_str())
}

/// The end of a word that begins with a capital letter: `Okafor`, `El-Sayed`, `O'Brien`, `NURHALIZA`.
pub(super) fn word(folded: &Folded, start: usize) -> Option<usize> {
    let part = folded.part(start, start + 20);
    let letter = |c: &&char| c.is_ascii_alphabetic() || matches!(c, '-' | '\'' | '’');
    let mut len = part.iter().take_while(letter).count();
    while matches!(part.get(len.wrapping_sub(1)), Some('-' | '\'' | '’')) {
        len -= 1;
    }
    (len >= 2 && part.first().is_some_and(char::is_ascii_uppercase)).then_some(start + len)
}

fn particle(folded: &Folded, start: usize) -> Option<usize> {
    const PARTICLES: [&str; 16] = [
        "de", "da", "do", "dos", "del", "della", "der", "den", "di", "la", "le", "van", "von",
        "bin", "binti", "al",
    ];
    let part = folded.part(start, start + 6);
    let len = part.iter().take_while(|c| c.is_ascii_lowercase()).count();
    let spelled = lower(folded, start, start + len);
    (PARTICLES.contains(&spelled.as_str()) && folded.at(start + len) == ' ').then_some(start + len)
}

fn initial(folded: &Folded, start: usize) -> Option<usize> {
    let letter = folded.at(start).is_ascii_uppercase() && folded.at(start + 1) == '.';
    (letter && folded.at(start + 2) == ' ').then_some(start + 2)
}

/// Whether the last word before `end` is one that a name may end with.
fn word_before(folded: &Folded, end: usize) -> Option<usize> {
    let start = (0..20)
        .map_while(|back| end.checked_sub(back + 1))
        .take_while(|at| !matches!(folded.at(*at), ' ' | '\n' | '\0'))
        .last()?;
    word(folded, start).filter(|stop| *stop == end)
}

fn lower(folded: &Folded, start: usize, end: usize) -> String {
    let part = folded.part(start, end);
    part.iter().map(char::to_ascii_lowercase).collect()
}

//! Edges: which crate may know which.
//!
//! The table below is the one in ARCHITECTURE.md. It says nothing of crates from outside.

use super::Problem;
use super::rooms::{Kind, Need, Room};

/// What one crate may depend on.
struct Allowed {
    room: &'static str,
    /// In the product.
    product: &'static [&'static str],
    /// In its tests, besides.
    tests: &'static [&'static str],
}

/// Few edges and no cycles: the longest chain is heartwatch, bench, batch, plan, graph.
const ALLOWED: &[Allowed] = &[
    Allowed {
        room: "avro",
        product: &[],
        tests: &[],
    },
    Allowed {
        room: "batch",
        product: &["plan", "graph"],
        tests: &[],
    },
    Allowed {
        room: "connectors",
        product: &[],
        tests: &[],
    },
    Allowed {
        room: "bench",
        product: &["engine", "plan", "batch", "graph", "log", "avro", "town"],
        tests: &[],
    },
    Allowed {
        room: "engine",
        product: &["graph", "log", "avro"],
        tests: &["plan", "batch", "reference", "golden"],
    },
    Allowed {
        room: "golden",
        product: &[],
        tests: &[],
    },
    Allowed {
        room: "graph",
        product: &[],
        tests: &[],
    },
    Allowed {
        room: "heartwatch",
        product: &[
            "plan",
            "graph",
            "batch",
            "bench",
            "engine",
            "log",
            "avro",
            "connectors",
            "registry",
            "server",
            "town",
        ],
        tests: &[],
    },
    Allowed {
        room: "log",
        product: &[],
        tests: &[],
    },
    Allowed {
        room: "plan",
        product: &["graph"],
        tests: &[],
    },
    Allowed {
        room: "reference",
        product: &[],
        tests: &[],
    },
    Allowed {
        room: "registry",
        product: &["log"],
        tests: &[],
    },
    Allowed {
        room: "server",
        product: &[],
        tests: &[],
    },
    Allowed {
        room: "simulation",
        product: &["engine", "plan", "graph", "log", "avro", "reference"],
        tests: &[],
    },
    Allowed {
        room: "town",
        product: &[],
        tests: &[],
    },
    Allowed {
        room: "xtask",
        product: &["reference", "golden"],
        tests: &[],
    },
];

/// Checks every crate's dependencies on other crates of the house.
pub(crate) fn check(rooms: &[Room]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for room in rooms {
        let manifest = format!("crates/{}/Cargo.toml", room.name);
        let Some(allowed) = ALLOWED.iter().find(|allowed| allowed.room == room.name) else {
            let advice =
                "this crate is not in the table of crates/xtask/src/tidy/edges.rs; add it there with what it may know";
            problems.push(Problem {
                file: manifest,
                line: 1,
                rule: "crate edges",
                advice: advice.to_owned(),
            });
            continue;
        };
        for need in &room.needs {
            // A crate from outside: cargo-deny's business.
            let Some(other) = rooms.iter().find(|other| other.package == need.package) else {
                continue;
            };
            if !allows(allowed, need, &other.name) {
                problems.push(Problem {
                    file: manifest.clone(),
                    line: need.line,
                    rule: "crate edges",
                    advice: advice(allowed, need, &other.name),
                });
            }
        }
    }
    problems
}

fn allows(allowed: &Allowed, need: &Need, other: &str) -> bool {
    allowed.product.contains(&other) || (need.kind == Kind::Tests && allowed.tests.contains(&other))
}

fn advice(allowed: &Allowed, need: &Need, other: &str) -> String {
    let (room, may) = (allowed.room, allowed.product.join(", "));
    let may = if may.is_empty() {
        "none of the house".to_owned()
    } else {
        may
    };
    let whose = match need.kind {
        Kind::Product => String::new(),
        Kind::Tests => format!(" (its tests also: {})", allowed.tests.join(", ")),
    };
    format!(
        "{room} may not know {other}; it may know {may}{whose}. Move the code, or change the table in \
         crates/xtask/src/tidy/edges.rs together with ARCHITECTURE.md"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str, needs: &[(&str, Kind)]) -> Room {
        let need = |(package, kind): &(&str, Kind)| Need {
            package: (*package).to_owned(),
            line: 9,
            kind: *kind,
        };
        Room {
            name: name.to_owned(),
            package: format!("hw-{name}"),
            needs: needs.iter().map(need).collect(),
        }
    }

    #[test]
    fn an_edge_that_is_not_in_the_table_is_named_with_its_line() {
        let rooms = [
            room("log", &[("hw-graph", Kind::Product), ("serde", Kind::Product)]),
            room("graph", &[]),
        ];
        let problems: Vec<String> = check(&rooms).iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].starts_with("crates/log/Cargo.toml:9: crate edges: log may not know graph; it may know none")
        );
    }

    #[test]
    fn tests_may_know_the_reference_and_the_product_may_not() {
        let needs = |kind| [room("engine", &[("hw-reference", kind)]), room("reference", &[])];
        assert!(check(&needs(Kind::Tests)).is_empty());
        assert_eq!(check(&needs(Kind::Product)).len(), 1);
    }
}

//! quick
use hw_bench::*;
use hw_town::steady::*;
fn main() {
    let arg = std::env::args().nth(1).unwrap_or_default();
    let run = |name: &str, bench: EngineBench| {
        if !arg.is_empty() && !name.contains(&arg) {
            return;
        }
        match measure_engine(&bench) {
            Ok(m) => println!(
                "{name}: {:.2} M/s {:.0} ns, findings {}, state {} B/key",
                m.rate() / 1e6,
                1e9 / m.rate(),
                m.findings,
                m.state_bytes / m.keys.max(1)
            ),
            Err(e) => println!("{name}: {e}"),
        }
    };
    if arg == "log" {
        let d = std::path::PathBuf::from("/tmp/hwbenchlog");
        let _ = std::fs::remove_dir_all(&d);
        println!(
            "{:?}",
            measure_log(
                &LogBench {
                    users: 20_000,
                    readings: 4_000_000,
                    partitions: 2,
                    commit_interval: std::time::Duration::from_millis(100)
                },
                &d
            )
        );
        return;
    }
    let load = Steady {
        users: 20_000,
        order: Order::Same,
    };
    run(
        "tumbling",
        EngineBench {
            form: Form::Tumbling,
            load,
            window_s: 10,
            warm_s: 20,
            measured_s: 100,
        },
    );
    run(
        "sliding10",
        EngineBench {
            form: Form::Sliding,
            load,
            window_s: 10,
            warm_s: 20,
            measured_s: 100,
        },
    );
    run(
        "sliding600",
        EngineBench {
            form: Form::Sliding,
            load,
            window_s: 600,
            warm_s: 620,
            measured_s: 60,
        },
    );
    run(
        "million",
        EngineBench {
            form: Form::Sliding,
            load: Steady {
                users: 1_000_000,
                order: Order::Shuffled,
            },
            window_s: 10,
            warm_s: 12,
            measured_s: 4,
        },
    );
}

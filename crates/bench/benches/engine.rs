//! Readings a second through a task on one core: from encoded lz4 record batches in memory to findings encoded.
//!
//! `cargo bench -p hw-bench`; divan prints items (readings) a second beside the time. `heartwatch bench engine` runs the same
//! for longer, with DataFusion's batch beside it.

use std::cell::RefCell;

use divan::Bencher;
use divan::counter::ItemsCount;
use hw_bench::{EngineBench, EngineRun, Form};
use hw_town::steady::{Order, Steady};

fn main() {
    divan::main();
}

/// One second of everyone's readings at a time, when windows are full.
fn seconds(bencher: Bencher<'_, '_>, form: Form, window_s: u32, users: u32, order: Order) {
    let bench = EngineBench {
        form,
        load: Steady { users, order },
        window_s,
        warm_s: window_s + 2,
        measured_s: 0,
    };
    let run = RefCell::new(EngineRun::new(&bench).expect("the shipped pipeline"));
    for _ in 0..bench.warm_s {
        let second = run.borrow_mut().next_second().expect("readings");
        run.borrow_mut().process(&second).expect("answers");
    }
    bencher
        .counter(ItemsCount::new(users))
        .with_inputs(|| run.borrow_mut().next_second().expect("readings"))
        .bench_local_refs(|second| run.borrow_mut().process(second).expect("answers"));
}

#[divan::bench(sample_count = 100, sample_size = 1)]
fn tumbling_10_s(bencher: Bencher<'_, '_>) {
    seconds(bencher, Form::Tumbling, 10, 20_000, Order::Same);
}

#[divan::bench(sample_count = 100, sample_size = 1, args = [10, 60, 600])]
fn sliding(bencher: Bencher<'_, '_>, window_s: u32) {
    seconds(bencher, Form::Sliding, window_s, 20_000, Order::Same);
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn sliding_10_s_a_million_users(bencher: Bencher<'_, '_>) {
    seconds(bencher, Form::Sliding, 10, 1_000_000, Order::Shuffled);
}

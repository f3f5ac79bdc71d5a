//! The shipped pipelines as the planner understands them.

#[test]
fn smoke() {
    for name in ["still_out_of_range", "tumbling"] {
        let sql =
            std::fs::read_to_string(format!("{}/../../pipelines/{name}.sql", env!("CARGO_MANIFEST_DIR"))).unwrap();
        match hw_plan::plan(name, &sql, &[]) {
            Ok(pipeline) => {
                for job in &pipeline.jobs {
                    println!("{:#?}", pipeline.parameters);
                    println!("{:?}", pipeline.streams[0].timing);
                    for check in &pipeline.streams[0].checks {
                        println!("check {} => {}", check.text, check.predicate);
                    }
                    for b in &job.before {
                        println!("before {b}");
                    }
                    if let Some(w) = &job.window {
                        for i in w.inputs() {
                            println!("input {} {} {}", i.expr, i.data_type, i.nullable);
                        }
                    }
                    println!("{:?}", job.lookups);
                    println!("{}", job.evaluated);
                    for b in &job.after {
                        println!("after {b}");
                        println!(
                            "  {}",
                            datafusion::physical_expr_common::physical_expr::fmt_sql(b.as_ref())
                        );
                    }
                    for (n, b) in job.names.iter().zip(&job.projection) {
                        println!("{n} = {b} {}", b.nullable(&job.evaluated).unwrap());
                    }
                }
            }
            Err(diagnostic) => panic!("{diagnostic}"),
        }
    }
}

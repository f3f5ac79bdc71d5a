//! `heartwatch explain`: what a file means.

use std::io::Write;

use clap::Args;

use crate::inputs::PipelineArgs;

/// Print the graph that a pipeline's file becomes, as text or as Mermaid.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heartwatch explain pipelines/still_out_of_range.sql --set window='1 minute'")]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// Print a Mermaid flowchart instead of text.
    #[arg(long)]
    mermaid: bool,
}

/// Prints the graph.
pub(crate) fn run(args: &ExplainArgs) -> anyhow::Result<()> {
    let pipeline = args.pipeline.plan()?;
    let text = if args.mermaid {
        pipeline.mermaid()
    } else {
        pipeline.text()
    };
    // Not `println!`, which panics when its reader has had enough.
    Ok(writeln!(std::io::stdout(), "{}", text.trim_end())?)
}

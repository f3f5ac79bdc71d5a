//! What the syntax tree alone shows to be impossible on a stream.
use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::Query;

use crate::Diagnostic;
use crate::catalog::Catalog;

pub(crate) fn check(_query: &Query, _catalog: &Catalog, _state: &SessionState) -> Result<(), Diagnostic> {
    Ok(())
}

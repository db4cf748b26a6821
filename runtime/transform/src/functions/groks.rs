use vrl::prelude::*;

/// VRL's `parse_groks` without `alias_sources`, which would read files of the machine that compiles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ParseGroks;

impl Function for ParseGroks {
    fn identifier(&self) -> &'static str {
        vrl::stdlib::ParseGroks.identifier()
    }

    fn usage(&self) -> &'static str {
        vrl::stdlib::ParseGroks.usage()
    }

    fn category(&self) -> &'static str {
        vrl::stdlib::ParseGroks.category()
    }

    fn return_kind(&self) -> u16 {
        vrl::stdlib::ParseGroks.return_kind()
    }

    fn parameters(&self) -> &'static [Parameter] {
        let all = vrl::stdlib::ParseGroks.parameters();
        let files = all.iter().position(|parameter| parameter.keyword == "alias_sources");
        &all[..files.unwrap_or(all.len())]
    }

    fn examples(&self) -> &'static [Example] {
        &[]
    }

    fn compile(&self, state: &TypeState, context: &mut FunctionCompileContext, arguments: ArgumentList) -> Compiled {
        vrl::stdlib::ParseGroks.compile(state, context, arguments)
    }
}

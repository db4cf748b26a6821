use vrl::prelude::*;

/// VRL's `log`, which says nothing here: records never go to logs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log;

impl Function for Log {
    fn identifier(&self) -> &'static str {
        vrl::stdlib::Log.identifier()
    }

    fn usage(&self) -> &'static str {
        "Evaluates `value` and drops it: what stands in records is not logged."
    }

    fn category(&self) -> &'static str {
        vrl::stdlib::Log.category()
    }

    fn return_kind(&self) -> u16 {
        vrl::stdlib::Log.return_kind()
    }

    fn pure(&self) -> bool {
        vrl::stdlib::Log.pure()
    }

    fn parameters(&self) -> &'static [Parameter] {
        vrl::stdlib::Log.parameters()
    }

    fn examples(&self) -> &'static [Example] {
        &[]
    }

    fn compile(&self, _: &TypeState, _: &mut FunctionCompileContext, arguments: ArgumentList) -> Compiled {
        Ok(LogFn { value: arguments.required("value") }.as_expr())
    }
}

#[derive(Debug, Clone)]
struct LogFn {
    value: Box<dyn Expression>,
}

impl FunctionExpression for LogFn {
    fn resolve(&self, context: &mut Context) -> Resolved {
        self.value.resolve(context)?;
        Ok(Value::Null)
    }

    fn type_def(&self, _: &TypeState) -> TypeDef {
        TypeDef::null().infallible().impure()
    }
}

use vrl::prelude::*;

/// `bitwise_and(value, other)`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BitwiseAnd;

impl Function for BitwiseAnd {
    fn identifier(&self) -> &'static str {
        "bitwise_and"
    }

    fn usage(&self) -> &'static str {
        "Keeps the bits that are set in both whole numbers."
    }

    fn category(&self) -> &'static str {
        Category::Number.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::INTEGER
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] = &[
            Parameter::required("value", kind::INTEGER, "A whole number."),
            Parameter::required("other", kind::INTEGER, "Another."),
        ];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[]
    }

    fn compile(&self, _: &TypeState, _: &mut FunctionCompileContext, arguments: ArgumentList) -> Compiled {
        let (value, other) = (arguments.required("value"), arguments.required("other"));
        Ok(BitwiseAndFn { value, other }.as_expr())
    }
}

#[derive(Debug, Clone)]
struct BitwiseAndFn {
    value: Box<dyn Expression>,
    other: Box<dyn Expression>,
}

impl FunctionExpression for BitwiseAndFn {
    fn resolve(&self, context: &mut Context) -> Resolved {
        let value = self.value.resolve(context)?.try_integer()?;
        let other = self.other.resolve(context)?.try_integer()?;
        Ok(Value::Integer(value & other))
    }

    fn type_def(&self, _: &TypeState) -> TypeDef {
        TypeDef::integer().infallible()
    }
}

"""Commands of several forms: which of its options a command line has, for a check of what goes together."""

import typer


def given_options(context: typer.Context) -> set[str]:
    """The options and arguments that the user has given, under the names of the help: --test-dir, RECIPE."""
    named = {str(parameter.name): parameter for parameter in context.command.params}
    return {
        parameter.opts[0] if parameter.param_type_name == "option" else str(parameter.name).upper()
        for name, parameter in named.items()
        if (source := context.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"
    }

"""Prints AgentDojo's tools and the calls that its tasks are known to need, as JSON. No model is asked."""

import importlib.abc
import importlib.machinery
import json
import sys
import types

SUITES_VERSION = "v1.2"


class Stub(types.ModuleType):
    """A module in which every name is a class that does nothing."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__class_getitem__": classmethod(lambda cls, _: cls)})


class Pipelines(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands in for the part of AgentDojo that talks to models."""

    def find_spec(self, name, path, target=None):
        if name.startswith("agentdojo.agent_pipeline"):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = Stub(spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module):
        pass


def calls_of(task, environment):
    environment = environment.model_copy(deep=True)
    if hasattr(task, "init_environment"):
        environment = task.init_environment(environment)
    return [{"tool": call.function, "arguments": dict(call.args)} for call in task.ground_truth(environment)]


def main():
    sys.meta_path.insert(0, Pipelines())
    from agentdojo.task_suite.load_suites import get_suites

    tools, tasks = [], []
    for suite_name, suite in get_suites(SUITES_VERSION).items():
        for tool in suite.tools:
            schema = tool.parameters.model_json_schema()
            definition = {"name": tool.name, "description": tool.description, "inputSchema": schema}
            tools.append({"suite": suite_name, "definition": definition})
        environment = suite.load_and_inject_default_environment({})
        for kind, known in (("user", suite.user_tasks), ("attack", suite.injection_tasks)):
            for task_name, task in known.items():
                calls = calls_of(task, environment)
                tasks.append({"suite": suite_name, "kind": kind, "task": task_name, "calls": calls})
    json.dump({"tools": tools, "tasks": tasks}, sys.stdout, default=str)


main()

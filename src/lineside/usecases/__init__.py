"""Where AI helps: the manifest, the fit questions, the portfolio, the templates."""

from lineside.usecases import audiences as audiences
from lineside.usecases import guards as guards
from lineside.usecases import rollouts as rollouts
from lineside.usecases import scorers as scorers
from lineside.usecases import watching as watching
from lineside.usecases.fit import FitAnswers
from lineside.usecases.folder import UseCaseFolder, check_folder, read_files, read_folder
from lineside.usecases.manifest import Knob, Manifest
from lineside.usecases.rules import GateRule, parse_rule
from lineside.usecases.scorers import ScorerDeclaration
from lineside.usecases.templates import init_folder
from lineside.usecases.usecase import UseCase, get_use_case, list_use_cases, register

__all__ = [
    "FitAnswers",
    "GateRule",
    "Knob",
    "Manifest",
    "ScorerDeclaration",
    "UseCase",
    "UseCaseFolder",
    "check_folder",
    "get_use_case",
    "init_folder",
    "list_use_cases",
    "parse_rule",
    "read_files",
    "read_folder",
    "register",
]

from __future__ import annotations

import pickle

import pytest

from edgecl_runtime import errors

EXIT_CODES = {
    errors.EdgeclRuntimeError: 1,
    errors.PackError: 3,
    errors.PackFormatError: 3,
    errors.PackDigestError: 5,
    errors.PackMismatchError: 3,
    errors.PackTooNewError: 3,
    errors.PackConflictError: 3,
    errors.ProbeMismatchError: 3,
    errors.BundleError: 3,
    errors.BundleFormatError: 3,
    errors.BundleDigestError: 5,
    errors.BundleTooNewError: 3,
    errors.ProviderError: 3,
    errors.SwitchingError: 3,
    errors.TensorRtError: 3,
    errors.InputError: 2,
    errors.FieldError: 2,
    errors.UnknownTaskError: 2,
    errors.MissingExtraError: 1,
    errors.UpdateError: 1,
    errors.TransferError: 4,
    errors.IntegrityError: 5,
    errors.RollbackError: 5,
    errors.FreezeError: 5,
    errors.CounterError: 5,
    errors.TamperError: 5,
    errors.ReleaseError: 3,
    errors.IncompatibleError: 3,
    errors.UpdateProbeError: 3,
    errors.ClockError: 1,
    errors.QuotaError: 1,
    errors.StoreError: 1,
    errors.StateLostError: 1,
    errors.UpdateBusyError: 1,
}


@pytest.mark.parametrize("kind", EXIT_CODES)
def test_each_error_has_its_exit_code(kind: type[errors.EdgeclRuntimeError]) -> None:
    assert kind.exit_code == EXIT_CODES[kind]


def test_the_table_of_exit_codes_is_complete() -> None:
    assert {kind.__name__ for kind in EXIT_CODES} == set(errors.__all__)


def test_an_input_error_is_a_value_error_and_a_missing_extra_an_import_error() -> None:
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(errors.MissingExtraError, ImportError)


def test_a_message_says_where_what_and_what_to_do() -> None:
    error = errors.PackMismatchError(
        "a.ecpack", found="backbone 1", expected="backbone 2", task="leaves", bundle="b"
    )
    assert str(error) == (
        "a.ecpack: built for backbone 1, but the bundle b has backbone 2. "
        "Build it again with: edgecl pack build RUN --task leaves --bundle b"
    )


def test_an_error_survives_a_process_border() -> None:
    error = errors.PackTooNewError(
        "a", found="format 2", expected="format 1", install="edgecl-runtime>=9.0.0"
    )
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.install) == (type(error), str(error), error.install)


def test_a_missing_onnxruntime_names_both_pip_lines() -> None:
    error = errors.MissingExtraError("onnxruntime", extras=("cpu", "gpu"), reason="not found")
    assert 'pip install "edgecl-runtime[cpu]" or pip install "edgecl-runtime[gpu]"' in str(error)


def test_a_command_to_install_is_true_for_a_checkout_too() -> None:
    missing = errors.MissingExtraError("PIL", extras=("image",), reason="not found")
    old = errors.BundleTooNewError("b", found="1", expected="2", install="edgecl-runtime>=9.0.0")
    assert str(missing).endswith(
        'pip install "edgecl-runtime[image]" (from a checkout: pip install "./runtime[image]")'
    )
    assert str(old).endswith('"edgecl-runtime>=9.0.0" (from a checkout: pip install "./runtime")')


def test_an_update_error_has_the_reason_of_its_kind_or_a_narrower_one() -> None:
    plain = errors.TransferError("https://a", found="nothing", expected="an answer")
    narrow = errors.TransferError(
        "https://a", found="404", expected="200", reason="http-404", retryable=False
    )
    assert (plain.reason, plain.retryable) == ("transfer", True)
    assert (narrow.reason, narrow.retryable) == ("http-404", False)


def test_a_transfer_error_keeps_what_the_server_asked_for_across_a_process_border() -> None:
    error = errors.TransferError("https://a", found="503", expected="200", retry_after_s=30.0)
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.retry_after_s, copy.exit_code) == (30.0, 4)

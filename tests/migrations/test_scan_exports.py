"""What we exported is no legacy model: importing it would make the champion a candidate once more."""

from datetime import UTC, datetime

import pytest

from migrations.scan import scan
from selector.adapters.exports_files import FileExports
from selector.ports_exports import Exported


@pytest.mark.parametrize("root", ["models", "models/production", "models/.production.versions"])
def test_an_exported_folder_is_ignored_with_the_reason(tmp_path, root):
    model = tmp_path / "fetched"
    model.mkdir()
    (model / "MLmodel").write_text("flavors: {sklearn: {pickled_model: model.pkl}}\n")
    (model / "model.pkl").write_bytes(b"\x80\x04N.")
    where = tmp_path / "models" / "production"
    FileExports().write(str(where), model, Exported("churn", 3, None, "s", None, "d", datetime.now(UTC)))
    found = scan([tmp_path / root])
    assert found.models == ()
    assert any("was exported from MLflow by mlflow-selector" in one.reason for one in found.unreadable)
    assert all(one.ignored for one in found.unreadable)


def test_a_model_with_another_selector_json_is_read(tmp_path):
    (tmp_path / "MLmodel").write_text("flavors: {sklearn: {pickled_model: model.pkl}}\n")
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04N.")
    (tmp_path / "selector.json").write_text('{"made_by": "somebody else"}')
    found = scan([tmp_path])
    assert not any("exported" in one.reason for one in found.unreadable)

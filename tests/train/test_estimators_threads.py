"""Grid searches whose trainings run in several threads of one process: the scores of one thread."""

import gc
import warnings

import pytest
from joblib import parallel_config
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV

from tinygrad_edu.engine.context import here
from tinygrad_edu.train.estimators import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore:max_iter")
GRID = {"hidden_layer_sizes": [(3,), (5,)], "compiled": [True, False]}


def scores(jobs):
    """The score of each setting in each fold."""
    X, y = make_moons(60, noise=0.1, random_state=0)
    net = MLPClassifier(learning_rate_init=0.05, max_iter=6, random_state=0, batch_size=16)
    search = GridSearchCV(net, GRID, n_jobs=jobs, cv=3).fit(X, y)
    folds = [search.cv_results_[f"split{i}_test_score"].tolist() for i in range(3)]
    return folds, search.best_params_, search.best_estimator_.predict_proba(X).tolist()


def test_a_grid_search_in_four_threads(switching_often):
    """Under joblib's threading backend; afterwards nothing is switched on, and the collector is."""
    with parallel_config("threading"):
        found = scores(4)

    assert found == scores(1)
    assert here().blocks == ()
    assert gc.isenabled()


@pytest.mark.slow
@pytest.mark.parametrize("processes", [True, False])
def test_a_grid_search_on_workers_of_four_threads(processes):
    """Under Dask, whose workers are processes or, in one process, threads."""
    distributed = pytest.importorskip("distributed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Dask's own sockets and versions
        cluster = distributed.LocalCluster(
            n_workers=1, threads_per_worker=4, processes=processes, dashboard_address=None
        )
        with cluster, distributed.Client(cluster), parallel_config("dask"):
            found = scores(4)

    assert found == scores(1)

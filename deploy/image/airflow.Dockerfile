# Airflow with this package, for the API servers, scheduler, DAG processor, triggerer and workers alike.
# Build it in the folder of the repository:
#
#   docker build -f deploy/image/airflow.Dockerfile -t airflow-with-lark .
ARG AIRFLOW=apache/airflow:3.3.2-python3.13

FROM ${AIRFLOW} AS build
WORKDIR /tmp/src
COPY --chown=airflow:0 pyproject.toml README.md LICENSE ./
COPY --chown=airflow:0 lark_provider ./lark_provider
COPY --chown=airflow:0 example_dags ./example_dags
COPY --chown=airflow:0 migrations ./migrations
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /tmp/wheels .

FROM ${AIRFLOW}
ARG AIRFLOW_VERSION=3.3.2
COPY --from=build /tmp/wheels /tmp/wheels
# Airflow's own version is named, so that pip cannot replace it; what comes beside it is in the image already.
# hadolint ignore=DL3013
RUN wheel="$(echo /tmp/wheels/airflow_provider_lark-*.whl)" \
    && pip install --no-cache-dir "apache-airflow==${AIRFLOW_VERSION}" "${wheel}[bridge,listen]"

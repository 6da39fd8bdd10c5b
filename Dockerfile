# The submission: a recipe's model behind the challenge's API, on port 80, as a user without rights.
#   make docker RECIPE=quickstart                      the weights of runs/quickstart inside
#   docker build --build-arg RECIPE=quickstart .       the weights mounted, base and adapter, or named at start
# BASE_IMAGE: any Debian or Ubuntu image with Python 3.11 or newer and pip. PyPI's torch 2.13.0 for x86-64 brings its
# CUDA 13 libraries along: the image needs no CUDA, the host an NVIDIA driver that runs CUDA 13 (branch 580 or newer).
# For an older driver take a base image with a torch 2.13.0 for its CUDA: a torch that is there is kept.
ARG BASE_IMAGE=python:3.11.13-slim-bookworm
FROM ${BASE_IMAGE}

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    HF_HUB_DISABLE_TELEMETRY=1
WORKDIR /app
RUN useradd --uid 10001 --user-group --create-home oneday

# Packages, then weights, then code: what changes most comes last. The user of the image can read all of it, however
# narrow the rights of the files are on the machine that builds: --chmod.
COPY constraints.txt serve/image/requirements.txt ./
RUN PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --no-cache-dir --no-warn-script-location \
    --disable-pip-version-check --root-user-action ignore --constraint constraints.txt --requirement requirements.txt

# Weights of the build context: MODEL_DIR holds a folder base, a folder adapter, or both.
ARG MODEL_DIR=serve/image/no_weights
COPY --chmod=755 ${MODEL_DIR}/ /model/
# Weights of the hub: OWNER/NAME or OWNER/NAME@REVISION. The token is a build secret and stays out of the image:
#   docker build --secret id=hf_token,src=FILE --build-arg HF_BASE_MODEL=... --build-arg HF_ADAPTER=... .
ARG HF_BASE_MODEL=""
ARG HF_ADAPTER=""
COPY --chmod=755 serve/image/weight_files.py serve/image/download.py serve/image/
RUN --mount=type=secret,id=hf_token \
    HF_TOKEN_PATH=/run/secrets/hf_token python3 -m serve.image.download --to /model \
    --base-model "${HF_BASE_MODEL}" --adapter "${HF_ADAPTER}"

COPY --chmod=755 compress/ compress/
COPY --chmod=755 data_prep/ data_prep/
COPY --chmod=755 eval/ eval/
COPY --chmod=755 oneday/ oneday/
COPY --chmod=755 postprocess/ postprocess/
COPY --chmod=755 training/ training/
COPY --chmod=755 serve/ serve/
COPY --chmod=755 recipes/ recipes/
COPY --chmod=755 pyproject.toml README.md LICENSE ./
RUN PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --no-cache-dir --disable-pip-version-check \
    --root-user-action ignore --no-deps --no-build-isolation --editable .

ARG RECIPE=quickstart
ENV ONEDAY_RECIPE=${RECIPE} \
    ONEDAY_PORT=80
LABEL org.opencontainers.image.title="oneday-${RECIPE}" \
    org.opencontainers.image.description="The model of the recipe ${RECIPE} behind the challenge's API" \
    org.opencontainers.image.licenses="Apache-2.0"
USER 10001
EXPOSE 80
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=300s --retries=3 \
    CMD ["python3", "-m", "serve.image.health"]
# At start: ONEDAY_BASE_MODEL and ONEDAY_ADAPTER (folders or hub ids) win over /model/base and /model/adapter.
ENTRYPOINT ["python3", "-m", "serve.image.start"]

# docker build .                             for CPUs
# docker build --build-arg BACKEND=cu130 .   for GPUs: a CUDA version that PyTorch is built for
FROM python:3.11-slim
ARG BACKEND=cpu
RUN apt-get update && apt-get install --yes --no-install-recommends g++ git make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /ldm
COPY requirements.lock .
# Builds for other backends bring their own CUDA libraries, in other versions than the lock's.
RUN python -m venv .venv && .venv/bin/pip install --quiet uv==0.13.9 \
    && sed --in-place --regexp-extended '/^(nvidia-|cuda-|triton)/d' requirements.lock \
    && VIRTUAL_ENV=/ldm/.venv .venv/bin/uv pip install --quiet --torch-backend "$BACKEND" \
        --requirement requirements.lock
COPY . .
RUN touch .venv/installed
ENV PATH="/ldm/.venv/bin:$PATH"
CMD ["python", "train.py", "--help"]

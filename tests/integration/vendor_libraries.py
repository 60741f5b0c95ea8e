"""Stand-ins for the vendors' own libraries, compiled here: LiteRT's real plugins load them and ask them for bytecode.

They answer every call with success and eight bytes, but with ``STANDIN_FAILS`` set every compile fails.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

__all__ = ["COMPILER", "build", "package"]

COMPILER = shutil.which("cc")

_NEURON = r"""
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
typedef struct { uint8_t major, minor, patch; } Version;
int Neuron_getVersion(Version *v) { v->major = NEURON_MAJOR; v->minor = 0; v->patch = 3; return 0; }
int NeuronModel_create(void **m) { *m = malloc(1); return 0; }
void NeuronModel_free(void *m) { free(m); }
int NeuronCompilation_createWithOptions(void *m, void **c, const char *o) { *c = malloc(1); return 0; }
void NeuronCompilation_free(void *c) { free(c); }
int NeuronCompilation_finish(void *c) { return getenv("STANDIN_FAILS") ? 4 : 0; }
int NeuronCompilation_getCompiledNetworkSize(void *c, size_t *n) { *n = 8; return 0; }
int NeuronCompilation_storeCompiledNetwork(void *c, void *b, size_t n) { memcpy(b, "BYTECODE", n); return 0; }
/* What the plugin knows no way to say is of type 10001; later versions of NeuroPilot are asked which they take. */
static int types[64], num;
int NeuronModel_addOperation(void *m, int type) { types[num++] = type; return 0; }
int NeuronCompilation_getSupportedOperations(void *c, uint32_t n, _Bool *s) {
  while (n--) s[n] = types[n] != 10001;
  return 0;
}
#define OK(name) int name() { return 0; }
OK(NeuronModel_addOperand) OK(NeuronModel_finish) OK(NeuronModel_setName)
OK(NeuronModel_getExtensionOperandType) OK(NeuronModel_getExtensionOperationType)
OK(NeuronModel_identifyInputsAndOutputs) OK(NeuronModel_setOperandValue)
OK(NeuronModel_setOperandSymmPerChannelQuantParams) OK(NeuronModel_setOperandPerChannelQuantParams)
OK(NeuronModel_relaxComputationFloat32toFloat16) OK(Neuron_getL1MemorySizeKb)
OK(NeuronCompilation_setPriority) OK(NeuronCompilation_setPreference) OK(NeuronCompilation_setOptimizationHint)
OK(NeuronCompilation_setOptimizationString) OK(NeuronCompilation_setL1MemorySizeKb)
"""
# Fails where it is given a tensor called "killer".
_TENSOR = r"""
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
bool GoogleTensorCompileFlatbuffer(const char *model, size_t size, const char *options, size_t options_size,
                                   char ***code, size_t **sizes, size_t *num, char **error) {
  if (getenv("STANDIN_FAILS") || memmem(model, size, "killer", 6)) {
    *error = strdup("not legal here");
    return false;
  }
  *num = 1;
  *code = malloc(sizeof(char *));
  *sizes = malloc(sizeof(size_t));
  (*code)[0] = strdup("BYTECODE");
  (*sizes)[0] = 8;
  return true;
}
void GoogleTensorCompilerFreeCompiledCode(char **code, size_t *sizes, size_t n) {
  free(code[0]);
  free(code);
  free(sizes);
}
void GoogleTensorCompilerFreeErrorMessage(char *message) { free(message); }
bool GoogleTensorGetUnsupportedOps() { return false; }
void GoogleTensorFreeUnsupportedOps(int *operators) { free(operators); }
"""
# The bytecode is the number of the chip that is compiled for.
_SAMSUNG_GRAPH = r"""
#include <stdint.h>
#include <stdlib.h>
void *create_graph(const char *name) { return malloc(1); }
void release_graph(void *graph) { free(graph); }
int define_tensor(void *graph, uint32_t *id) { static uint32_t next; *id = ++next; return 0; }
int define_op_node(void *graph, uint32_t *id) { *id = 1; return 0; }
int serialize(void *graph, uint8_t **data, uint64_t *size) { *data = malloc(8); *size = 8; return 0; }
#define OK(name) int name() { return 0; }
OK(set_graph_input_tensors) OK(set_graph_output_tensors) OK(finish_build_graph) OK(add_op_parameter)
OK(set_quantize_param_for_tensor) OK(set_data_for_constant_tensor)
"""
_SAMSUNG_COMPILER = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
typedef struct { void *data; uint64_t size; } Buffer;
static int chip;
void *graphgen_create(void) { return malloc(1); }
void graphgen_release(void *compiler) { free(compiler); }
int graphgen_initialize_context(void *compiler, int soc) { chip = soc; return 0; }
int graphgen_generate(void *compiler, void *graph, uint64_t size, Buffer **made) {
  *made = malloc(sizeof(Buffer));
  (*made)->data = malloc(16);
  (*made)->size = snprintf((*made)->data, 16, "for chip %d", chip);
  return 0;
}
int graphgen_release_buffer(void *compiler, Buffer *made) { free(made->data); free(made); return 0; }
"""
# What keeps the plugin of ai-edge-litert 2.3.0 from loading: a symbol that nothing defines.
_SAMSUNG_SYMBOL = r"""
#define _GNU_SOURCE
#include <locale.h>
locale_t _ZN11flatbuffers13ClassicLocale9instance_E;
__attribute__((constructor)) static void set(void) {
  _ZN11flatbuffers13ClassicLocale9instance_E = newlocale(LC_ALL_MASK, "C", 0);
}
"""
_LIBRARIES = {
    "mediatek": {"v8/libneuron_adapter.so": (_NEURON, 8), "v9/libneuron_adapter.so": (_NEURON, 9)},
    "google_tensor": {"v8/liblitert_plugin_compiler.so": (_TENSOR, 0)},
    "samsung": {
        "v8/libgraph_wrapper.so": (_SAMSUNG_GRAPH, 0),
        "v8/libgraphgen_api.so": (_SAMSUNG_COMPILER, 0),
        "symbol/libsymbol.so": (_SAMSUNG_SYMBOL, 0),
    },
}


def build(vendor: str, folder: Path) -> None:
    """Compile the stand-ins of a vendor's libraries into ``folder``, each version in a folder of its own."""
    assert COMPILER is not None
    for name, (source, major) in _LIBRARIES[vendor].items():
        library = folder / name
        library.parent.mkdir(parents=True, exist_ok=True)
        command = [COMPILER, "-w", "-shared", "-fPIC", f"-DNEURON_MAJOR={major}", "-x", "c", "-", "-o", str(library)]
        subprocess.run(command, input=source, text=True, check=True)


def package(site: Path, module: str, libraries: Path) -> None:
    """Write a stand-in for an SDK's package, whose libraries are in ``libraries``, by version."""
    (site / module).mkdir(parents=True)
    body = f'def path_to_sdk_libs(version="v8"):\n    return pathlib.Path({str(libraries)!r}, version)\n'
    (site / module / "__init__.py").write_text(f"import pathlib\n\n\n{body}")

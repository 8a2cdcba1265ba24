/* An external TFLite delegate that does as it is told by its option "mode":
 *   ok            takes no operation, so that the CPU runs all of them
 *   no_device     cannot be created, and says why
 *   not_prepared  is created, but refuses the model
 *   lost          takes every operation, and fails when it is to run them
 * The structs are the heads of those in TensorFlow Lite's C API, which is stable.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef int Status;
typedef struct { int size; int data[]; } IntArray;
typedef struct Context Context;
typedef struct Delegate Delegate;

typedef struct {
    void *(*init)(Context *, const char *, size_t);
    void (*release)(Context *, void *);
    Status (*prepare)(Context *, void *);
    Status (*invoke)(Context *, void *);
    const char *(*profiling_string)(const Context *, const void *);
    int32_t builtin_code;
    const char *custom_name;
    int version;
    void *rest[4];
} Registration;

struct Context {
    size_t tensors_size;
    Status (*execution_plan)(Context *, IntArray **);
    void *tensors, *impl, *resize_tensor, *report_error, *add_tensors, *node_and_registration;
    Status (*replace_nodes)(Context *, Registration, const IntArray *, Delegate *);
};

struct Delegate {
    void *data;
    Status (*prepare)(Context *, Delegate *);
    void *copy_from, *copy_to, *free_handle;
    int64_t flags;
    void *rest[8];
};

static void *begin(Context *context, const char *buffer, size_t length) { return calloc(1, 1); }
static void end(Context *context, void *memory) { free(memory); }
static Status ready(Context *context, void *node) { return 0; }
static Status lose(Context *context, void *node) { return 1; }

static Status take_none(Context *context, Delegate *delegate) { return 0; }
static Status refuse(Context *context, Delegate *delegate) { return 1; }

static Status take_all(Context *context, Delegate *delegate) {
    IntArray *plan;
    if (context->execution_plan(context, &plan) != 0) return 1;
    Registration kernel = {.init = begin, .release = end, .prepare = ready, .invoke = lose};
    kernel.custom_name = "Double";
    kernel.version = 1;
    return context->replace_nodes(context, kernel, plan, delegate);
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
    const char *mode = "ok";
    for (size_t i = 0; i < count; i++)
        if (strcmp(keys[i], "mode") == 0) mode = values[i];
    if (strcmp(mode, "no_device") == 0) {
        report("no accelerator is plugged in");
        return NULL;
    }
    Delegate *delegate = calloc(1, sizeof *delegate);
    delegate->prepare = take_none;
    if (strcmp(mode, "not_prepared") == 0) delegate->prepare = refuse;
    if (strcmp(mode, "lost") == 0) delegate->prepare = take_all;
    return delegate;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }

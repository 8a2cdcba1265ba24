/* An external TFLite delegate that does as it is told: by its option "mode", or by the file that its option "switch"
 * names, which is read at every step, so that a test can change its mind. It is for int8 models, and really adds and
 * averages:
 *   works            takes every ADD and AVERAGE_POOL_2D, and runs them
 *   wrong            the same, but its numbers are off by 40
 *   lost             takes them, and fails when it is to run them
 *   hangs, crashes   … and does that instead
 *   idle             takes no operation, so that the CPU runs all of them
 *   no_device        cannot be created, and says why
 *   not_prepared     is created, but refuses the model
 *   load_hangs, load_crashes   … in creating it
 * The structs are the heads of those in TensorFlow Lite's C API, which is stable.
 */
#include <math.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ADD = 0, AVERAGE_POOL_2D = 1, OFF_BY = 40 };

typedef int Status;
typedef struct { int size; int data[]; } IntArray;
typedef struct Context Context;
typedef struct Delegate Delegate;

typedef struct {
    int type;
    int8_t *data;
    IntArray *dims;
    float scale;
    int32_t zero_point;
    int allocation;
    size_t bytes;
    void *rest[8];
} Tensor;

typedef struct { IntArray *inputs, *outputs, *intermediates, *temporaries; void *user, *builtin; } Node;
typedef struct { int padding, stride_width, stride_height; } Pool;

typedef struct {
    void *(*init)(Context *, const char *, size_t);
    void (*release)(Context *, void *);
    Status (*prepare)(Context *, Node *);
    Status (*invoke)(Context *, Node *);
    const char *(*profiling_string)(const Context *, const void *);
    int32_t builtin_code;
    const char *custom_name;
    int version;
    void *rest[4];
} Registration;

struct Context {
    size_t tensors_size;
    Status (*execution_plan)(Context *, IntArray **);
    Tensor *tensors;
    void *impl;
    Status (*resize_tensor)(Context *, Tensor *, IntArray *);
    void *report_error, *add_tensors;
    Status (*node)(Context *, int, Node **, Registration **);
    Status (*replace_nodes)(Context *, Registration, const IntArray *, Delegate *);
};

struct Delegate {
    void *data;
    Status (*prepare)(Context *, Delegate *);
    void *copy_from, *copy_to, *free_handle;
    int64_t flags;
    void *rest[8];
};

typedef struct { Delegate *delegate; IntArray *nodes; } Params;
typedef struct { int code, first, second, given, stride; } Operation;
typedef struct { int count; Operation operations[]; } Work;

static char mode_option[32] = "idle", switch_option[1024];

static const char *mode(void) {
    static char said[32];
    FILE *file = switch_option[0] ? fopen(switch_option, "r") : NULL;
    if (file == NULL) return mode_option;
    said[0] = 0;
    if (fgets(said, sizeof said, file) == NULL) said[0] = 0;
    fclose(file);
    return said;
}

static int is(const char *wanted) { return strcmp(mode(), wanted) == 0; }
static void hang(void) { for (;;) pause(); }
static void crash(void) {
    fputs("FATAL ERROR: this processor lacks what the driver needs\n", stderr);
    raise(SIGSEGV);
}

static int8_t rounded(float number, const Tensor *given, int off) {
    return (int8_t)fmaxf(-128, fminf(127, roundf(number / given->scale) + given->zero_point + off));
}

static void add(const Tensor *a, const Tensor *b, Tensor *given, int off) {
    for (size_t i = 0; i < given->bytes; i++)
        given->data[i] = rounded(
            a->scale * (a->data[i] - a->zero_point) + b->scale * (b->data[i] - b->zero_point), given, off);
}

static void average(const Tensor *seen, Tensor *given, int stride, int off) {
    int rows = given->dims->data[1], columns = given->dims->data[2], channels = given->dims->data[3];
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < columns; x++)
            for (int c = 0; c < channels; c++) {
                long sum = 0;
                for (int v = 0; v < stride; v++)
                    for (int u = 0; u < stride; u++)
                        sum += seen->data[((y * stride + v) * seen->dims->data[2] + x * stride + u) * channels + c];
                float mean = (float)sum / (stride * stride) - seen->zero_point;
                given->data[(y * columns + x) * channels + c] = rounded(seen->scale * mean, given, off);
            }
}

static void *begin(Context *context, const char *buffer, size_t length) {
    IntArray *nodes = ((const Params *)buffer)->nodes;
    Work *work = calloc(1, sizeof *work + nodes->size * sizeof(Operation));
    work->count = nodes->size;
    for (int i = 0; i < nodes->size; i++) {
        Node *node;
        Registration *what;
        context->node(context, nodes->data[i], &node, &what);
        int second = what->builtin_code == ADD ? node->inputs->data[1] : 0;
        int stride = what->builtin_code == ADD ? 1 : ((Pool *)node->builtin)->stride_width;
        work->operations[i] =
            (Operation){what->builtin_code, node->inputs->data[0], second, node->outputs->data[0], stride};
    }
    return work;
}

static void end(Context *context, void *work) { free(work); }

static Status ready(Context *context, Node *node) {
    Work *work = node->user;
    for (int i = 0; i < work->count; i++) {
        Operation *operation = &work->operations[i];
        const IntArray *seen = context->tensors[operation->first].dims;
        IntArray *given = malloc(sizeof(int) * (seen->size + 1));
        memcpy(given, seen, sizeof(int) * (seen->size + 1));
        given->data[1] /= operation->stride;
        given->data[2] /= operation->stride;
        if (context->resize_tensor(context, &context->tensors[operation->given], given) != 0) return 1;
    }
    return 0;
}

static Status run(Context *context, Node *node) {
    if (is("lost")) return 1;
    if (is("hangs")) hang();
    if (is("crashes")) crash();
    Work *work = node->user;
    int off = is("wrong") ? OFF_BY : 0;
    for (int i = 0; i < work->count; i++) {
        Operation *operation = &work->operations[i];
        Tensor *tensors = context->tensors, *given = &tensors[operation->given];
        if (operation->code == ADD) add(&tensors[operation->first], &tensors[operation->second], given, off);
        else average(&tensors[operation->first], given, operation->stride, off);
    }
    return 0;
}

static Status take_none(Context *context, Delegate *delegate) { return 0; }
static Status refuse(Context *context, Delegate *delegate) { return 1; }

static Status take(Context *context, Delegate *delegate) {
    IntArray *plan;
    if (context->execution_plan(context, &plan) != 0) return 1;
    IntArray *wanted = malloc(sizeof(int) * (plan->size + 1));
    wanted->size = 0;
    for (int i = 0; i < plan->size; i++) {
        Node *node;
        Registration *what;
        if (context->node(context, plan->data[i], &node, &what) != 0) return 1;
        if (what->builtin_code == ADD || what->builtin_code == AVERAGE_POOL_2D)
            wanted->data[wanted->size++] = plan->data[i];
    }
    Registration kernel = {.init = begin, .release = end, .prepare = ready, .invoke = run};
    kernel.custom_name = "Double";
    kernel.version = 1;
    Status status = context->replace_nodes(context, kernel, wanted, delegate);
    free(wanted);
    return status;
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys[i], "mode") == 0) snprintf(mode_option, sizeof mode_option, "%s", values[i]);
        if (strcmp(keys[i], "switch") == 0) snprintf(switch_option, sizeof switch_option, "%s", values[i]);
    }
    if (is("load_hangs")) hang();
    if (is("load_crashes")) crash();
    if (is("no_device")) {
        report("no accelerator is plugged in");
        return NULL;
    }
    Delegate *delegate = calloc(1, sizeof *delegate);
    delegate->prepare = is("idle") ? take_none : is("not_prepared") ? refuse : take;
    return delegate;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }

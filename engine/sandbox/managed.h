#include <stdbool.h>
struct kst_json;
struct kst_err;
struct kst_managed_write {
    const char *manager;
    const char *api_version;
    const char *now;
    const char *group, *kind;
    const struct kst_json *schema;
};
void kst_managed_update(const struct kst_managed_write *write, const struct kst_json *live,
                        struct kst_json *object);
int kst_managed_apply(const struct kst_managed_write *write, const struct kst_json *live,
                      const struct kst_json *applied, bool force, struct kst_json **out,
                      struct kst_json *conflicts, struct kst_err **err);

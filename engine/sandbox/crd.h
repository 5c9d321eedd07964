struct kst_json;
void kst_crd_default(struct kst_json *crd);
void kst_crd_validate(const struct kst_json *crd, const struct kst_json *old,
                      struct kst_json *causes);
void kst_crd_set_established(struct kst_json *crd, const char *now);

struct kst_json;
void kst_schema_prune(const struct kst_json *schema, struct kst_json *object);
void kst_schema_default(const struct kst_json *schema, struct kst_json *object);
void kst_schema_validate(const struct kst_json *schema, const struct kst_json *object,
                         struct kst_json *causes);

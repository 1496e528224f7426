/* SPDX-License-Identifier: Apache-2.0 */
/* A shared object that is no module. */
__attribute__((visibility("default"))) int kab_test_no_symbol(void);

int
kab_test_no_symbol(void)
{
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* train FILE: makes a tiny XGBoost model with two columns. Its score is high
 * where the first column is larger than the second.
 */
#include <stdio.h>
#include <stdlib.h>

#include <xgboost/c_api.h>

enum { SIDE = 40, ROWS = SIDE * SIDE, ROUNDS = 30 };

static void
check(int status)
{
    if (status == 0)
        return;
    fprintf(stderr, "train: %s\n", XGBGetLastError());
    exit(EXIT_FAILURE);
}

static DMatrixHandle
make_rows(void)
{
    static float rows[ROWS][2], labels[ROWS];
    DMatrixHandle matrix;
    for (int i = 0; i < ROWS; i++) {
        rows[i][0] = (float)(i / SIDE) / SIDE;
        rows[i][1] = (float)(i % SIDE) / SIDE;
        labels[i] = rows[i][0] > rows[i][1];
    }
    check(XGDMatrixCreateFromMat(rows[0], ROWS, 2, -1, &matrix));
    check(XGDMatrixSetFloatInfo(matrix, "label", labels, ROWS));
    return matrix;
}

int
main(int argc, char **argv)
{
    BoosterHandle booster;
    if (argc != 2) {
        fprintf(stderr, "usage: train FILE\n");
        return 64;
    }
    DMatrixHandle matrix = make_rows();
    check(XGBoosterCreate(&matrix, 1, &booster));
    check(XGBoosterSetParam(booster, "objective", "binary:logistic"));
    check(XGBoosterSetParam(booster, "max_depth", "6"));
    check(XGBoosterSetParam(booster, "nthread", "1"));
    for (int round = 0; round < ROUNDS; round++)
        check(XGBoosterUpdateOneIter(booster, round, matrix));
    check(XGBoosterSaveModel(booster, argv[1]));
    XGBoosterFree(booster);
    XGDMatrixFree(matrix);
    return EXIT_SUCCESS;
}

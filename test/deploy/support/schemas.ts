import { resolve } from 'node:path';
import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment';
import ts from 'typescript';
import type { KubernetesObject } from './kubernetes.js';

const OPTIONS: ts.CompilerOptions = {
  noEmit: true,
  strict: true,
  skipLibCheck: true,
  types: [],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  target: ts.ScriptTarget.ES2023,
};

const host = ts.createCompilerHost(OPTIONS);
const files = new Map<string, ts.SourceFile | undefined>();

/** Most files are the same in all programs, and take long to parse. */
function parsed(name: string, target: ts.ScriptTarget | ts.CreateSourceFileOptions) {
  if (!files.has(name)) files.set(name, host.getSourceFile(name, target));
  return files.get(name);
}

/**
 * What the schemas of Kubernetes have against objects. The types of the models know every field, so the compiler finds the
 * unknown ones, which their validators let pass; the validators know formats and ranges, which types cannot.
 */
export async function complaintsAbout(objects: readonly KubernetesObject[]): Promise<string[]> {
  return [...complaintsOfCompiler(objects), ...(await complaintsOfValidators(objects))];
}

async function complaintsOfValidators(objects: readonly KubernetesObject[]): Promise<string[]> {
  const complaints: string[] = [];
  for (const object of objects) {
    const models = (await import(modelOf(object))) as Record<
      string,
      new (data: IDeployment) => { validate(): void }
    >;
    const Model = models[object.kind];
    if (!Model) throw new Error(`no model of ${object.apiVersion} ${object.kind}`);
    try {
      new Model(object as IDeployment).validate();
    } catch (error) {
      complaints.push(`${object.kind} ${object.metadata.name}: ${(error as Error).message}`);
    }
  }
  return complaints;
}

function complaintsOfCompiler(objects: readonly KubernetesObject[]): string[] {
  const source = objects
    .map(
      (object, n) =>
        `import type { I${object.kind} as Model${n} } from '${modelOf(object)}';\n` +
        `export const object${n}: Model${n} = ${JSON.stringify(object, null, 1)};`,
    )
    .join('\n');
  const path = resolve('test/deploy/rendered.ts');
  const program = ts.createProgram([path], OPTIONS, {
    ...host,
    fileExists: (name) => name === path || host.fileExists(name),
    readFile: (name) => (name === path ? source : host.readFile(name)),
    getSourceFile: (name, target) =>
      name === path ? ts.createSourceFile(name, source, ts.ScriptTarget.ES2023) : parsed(name, target),
  });
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

function modelOf({ apiVersion, kind }: KubernetesObject): string {
  return `kubernetes-models/${apiVersion}/${kind}`;
}

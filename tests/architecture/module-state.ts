import ts from 'typescript'

/** Constructors whose instances hold state. A `ReadonlyMap`/`ReadonlySet` annotation says that nobody writes to it. */
const STATEFUL = /^(?:Map|Set|WeakMap|WeakSet|LRUCache|AsyncLocalStorage|EventEmitter|Registry|Pool|Client)$/
const READ_ONLY = /^(?:ReadonlyMap|ReadonlySet|readonly |Readonly<)/

/** Lines (`file:line name`) where a module keeps something that can change: `let`, `var`, or a container that is not read-only. */
export const mutableModuleState = (file: string, text: string): string[] => {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  return source.statements.filter(ts.isVariableStatement).flatMap((statement) => {
    const constant = (statement.declarationList.flags & ts.NodeFlags.Const) !== 0
    return statement.declarationList.declarations
      .filter((declaration) => {
        if (!constant) return true
        const { initializer, type } = declaration
        if (initializer === undefined || (type !== undefined && READ_ONLY.test(type.getText()))) return false
        if (ts.isNewExpression(initializer)) return STATEFUL.test(initializer.expression.getText())
        if (ts.isArrayLiteralExpression(initializer)) return initializer.elements.length === 0
        return ts.isObjectLiteralExpression(initializer) && initializer.properties.length === 0
      })
      .map((declaration) => {
        const { line } = source.getLineAndCharacterOfPosition(declaration.getStart())
        return `${file}:${line + 1} ${declaration.name.getText()}`
      })
  })
}
